"""Judging from Python: answers, reviews and labelled pairs as files or as objects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from handpicked.config import JudgeSettings
from handpicked.data.objects import as_file
from handpicked.errors import ConfigError
from handpicked.experiment import judge_files
from handpicked.experiment.judge_files import Judged, has_verdicts, refuse_unread, replay_file
from handpicked.judges import load_judge
from handpicked.progress import Progress, shown
from handpicked.settings import settings_of


def judge(
    a: object,
    b: object,
    by: str | Sequence[str] = "reference-similarity",
    *,
    out: str | Path | None = None,
    progress: Progress = shown,
    **settings: object,
) -> Judged:
    """Judge two sets of answers, paired by prompt, each pair in both orders.

    ``a`` and ``b`` are files of answers, or their rows as any object that ``read`` takes; a model is named
    after its field ``generator``, else after its file, else A and B. ``by`` names a judge or several (these
    also make a panel), and ``settings`` are the fields of ``JudgeSettings``, such as ``model="gpt-4o"``.
    ``out`` gets verdicts.jsonl, pairs.jsonl, unpaired.json and judgements.json; it is needed where replies
    cost money, because they are kept there.

    Raises:
        ConfigError: an unknown judge or setting. PoolError: no answers, or no prompt in common.
        EndpointError: not one verdict of a judge could be read. NotYet: batches are still being processed.
    """
    judges = _judges(by, settings)
    with ExitStack() as stack:
        one, other = (stack.enter_context(as_file(data, name)) for data, name in ((a, "A"), (b, "B")))
        folder = stack.enter_context(_folder(out, judges))
        judged = judge_files.judge_files(one, other, judges, folder, progress)
    refuse_unread(judged)
    return judged


def calibrate(
    labelled: object,
    by: str | Sequence[str] = (),
    *,
    verdicts: object = None,
    out: str | Path | None = None,
    progress: Progress = shown,
    **settings: object,
) -> Judged:
    """How well judges agree with people, on pairs that people have labelled (a file, or rows as an object).

    Without ``by``, these are the judges whose verdicts are stored with the labels or in ``verdicts``; no
    model is called. The other parameters are those of ``judge``.
    """
    judges = _judges(by, settings)
    with ExitStack() as stack:
        file = stack.enter_context(as_file(labelled, "labelled pairs"))
        stored = None if verdicts is None else stack.enter_context(as_file(verdicts, "verdicts"))
        if not judges and stored is None and not has_verdicts(file):
            raise ConfigError("by: the pairs hold labels but no verdicts of a judge; name a judge.")
        folder = stack.enter_context(_folder(out, judges)) if judges else None if out is None else Path(out)
        judged = judge_files.calibrate(file, judges, folder, progress, verdicts=stored)
    refuse_unread(judged)
    return judged


def replay(
    reviews: object,
    *,
    reversed_: object = None,
    a: str | None = None,
    b: str | None = None,
    out: str | Path | None = None,
) -> Judged:
    """Statistics of stored reviews (a file, or rows as an object); no model is called.

    ``reversed_`` holds the reviews of the other order, if each order has its own file; ``a`` and ``b`` name
    the models that are compared. Raises PoolError if the reviews are not recognised.
    """
    with ExitStack() as stack:
        file = stack.enter_context(as_file(reviews, "reviews"))
        other = None if reversed_ is None else stack.enter_context(as_file(reversed_, "reversed reviews"))
        return replay_file(file, None if out is None else Path(out), reversed_=other, a=a, b=b)


def _judges(by: str | Sequence[str], settings: dict[str, object]) -> list[JudgeSettings]:
    names = [by] if isinstance(by, str) else by
    return [settings_of(JudgeSettings, {"name": name, **settings}, "") for name in names]


@contextmanager
def _folder(out: str | Path | None, judges: Sequence[JudgeSettings]) -> Iterator[Path]:
    """The folder for the verdicts: ``out``, or a temporary one where no paid replies must be kept."""
    if out is not None:
        yield Path(out)
        return
    paid = next((one.name for one in judges if load_judge(one.name).asks), None)
    if paid is not None:
        raise ConfigError(
            f"out: name a folder. '{paid}' asks a model, and replies are kept there, so that a second run "
            "asks only for what is missing."
        )
    with tempfile.TemporaryDirectory(prefix="handpicked-") as folder:
        yield Path(folder)
