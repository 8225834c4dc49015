"""Judges pairs in both orders, keeps every reply and counts every failure."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from handpicked.config import JudgeSettings
from handpicked.endpoint import default_cache, write_batched
from handpicked.errors import ConfigError
from handpicked.judges.ask import all_requests, model_reviews
from handpicked.judges.folder import JudgeFolder, load_judge
from handpicked.judges.local import runs_here
from handpicked.judges.outcome import verdict
from handpicked.judges.similarity import similarity_reviews
from handpicked.judges.stored import write_verdicts
from handpicked.models.served.mistakes import endpoint_mistakes
from handpicked.progress import SILENT, Progress
from handpicked.records import Pair, Verdict

log = logging.getLogger(__name__)


def judge(
    pairs: Sequence[Pair],
    settings: JudgeSettings,
    out_file: Path,
    *,
    progress: Progress = SILENT,
    models_under_test: Sequence[str] = (),
    cache: Path | None = None,
    batches: Path | None = None,
    earlier: Sequence[Verdict] = (),
) -> list[Verdict]:
    """One verdict a pair, in their order, also written to ``out_file`` (JSON lines).

    ``earlier`` are verdicts of this judge on these pairs: those that lack no reply that was
    lost are kept as they are.

    Paid replies are kept in ``cache`` (default: the user's one request cache) as they come, so a run that was
    killed goes on where it stopped. A pair that could not be judged is a verdict too: ``unparsed``, its
    reviews saying why. ``batches`` is where batch files are kept (default: beside ``out_file``).

    With ``settings.server`` a vLLM server is started where replies are missing; its log is beside ``out_file``.

    Raises ConfigError for a bad judge, or one that is a model under test (unless ``force``); MissingPart and
    EndpointError as ``endpoint.complete`` does, WorkerError where a server dies; NotYet while a batch is being
    worked on (``settings.batch``).
    """
    folder = load_judge(settings.name)
    known = {_key(one): one for one in earlier if not one.lost}
    pending = [pair for pair in pairs if _key(pair) not in known]
    if folder.asks:
        _refuse_mistakes(settings)
        _refuse_self_judgement(settings, models_under_test)
        files = (batches or out_file.parent / "batches") / _slug(judge_label(folder, settings))
        kept = cache or default_cache()
        reviews = model_reviews(pending, folder, settings, kept, files, progress, out_file.parent)
    else:
        reviews = similarity_reviews(pending, folder, progress)
    label = judge_label(folder, settings)
    found = iter(reviews)
    verdicts = [known.get(_key(pair)) or verdict(pair, label, next(found)) for pair in pairs]
    write_verdicts(out_file, verdicts)
    unparsed = sum(v.strict == "unparsed" for v in verdicts)
    log.info("%s: %d verdicts, %d of them unparsed", label, len(verdicts), unparsed)
    return verdicts


def _key(of: Pair | Verdict) -> tuple[str, str, str, str]:
    return of.prompt_id, of.a, of.b, of.test_set


def write_requests(
    pairs: Sequence[Pair], settings: JudgeSettings, out: Path, *, cache: Path | None = None
) -> list[Path]:
    """Only write the batch files of a judge's requests, below ``out``; no key is needed, and nothing is sent.

    Raises ConfigError for a judge that asks no endpoint.
    """
    folder = load_judge(settings.name)
    if not folder.asks or runs_here(settings) or settings.server is not None:
        raise ConfigError(f"The judge '{settings.name}' asks no endpoint here, so there is nothing to batch.")
    where = out / "batches" / _slug(judge_label(folder, settings))
    return write_batched(all_requests(pairs, folder), settings, cache or default_cache(), where)


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.")


def judge_label(folder: JudgeFolder, settings: JudgeSettings) -> str:
    """The judge's name in verdicts: the folder's name, and that of its model if it has one."""
    return f"{folder.name}/{settings.model}" if folder.asks else folder.name


def _refuse_mistakes(settings: JudgeSettings) -> None:
    if found := [said for _, said in endpoint_mistakes(settings, settings, settings.batch)]:
        raise ConfigError(*(f"judge '{settings.name}': {said}" for said in found))


def _refuse_self_judgement(settings: JudgeSettings, models_under_test: Sequence[str]) -> None:
    """Refuse a judge that is under test: models prefer their own answers (Panickssery et al., 2024)."""
    own = [name for name in models_under_test if settings.model and _plain(name) == _plain(settings.model)]
    if own and not settings.force:
        raise ConfigError(
            f"The judge's model '{settings.model}' is a model under test "
            f"('{own[0]}'), and models prefer their own "
            f"answers. Use another judge, or set force: true to allow it."
        )


def _plain(model: str) -> str:
    return model.lower().rstrip("/").rsplit("/", 1)[-1].removeprefix("bundled:")
