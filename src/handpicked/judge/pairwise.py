"""Judging pairs: every pair in both orders, every reply kept, every failure counted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from handpicked.config import JudgeSettings
from handpicked.endpoint import default_cache
from handpicked.errors import ConfigError
from handpicked.judge.ask import asked_reviews
from handpicked.judge.folder import JudgeFolder, load_judge
from handpicked.judge.outcome import verdict
from handpicked.judge.similarity import similarity_reviews
from handpicked.judge.stored import write_verdicts
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
) -> list[Verdict]:
    """One verdict a pair, in their order, also written to ``out_file`` (JSON lines).

    Paid replies are kept in ``cache`` (default: the user's one request cache) as they come, so a run that was
    killed goes on where it stopped. A pair that could not be judged is a verdict too: ``unparsed``, its
    reviews saying why.

    Raises ConfigError for a bad judge, or one that is a model under test (unless ``force``); MissingPart and
    EndpointError as ``endpoint.complete`` does.
    """
    folder = load_judge(settings.name)
    if folder.asks:
        _refuse_self_judgement(settings, models_under_test)
        reviews = asked_reviews(pairs, folder, settings, cache or default_cache(), progress)
    else:
        reviews = similarity_reviews(pairs, folder, progress)
    label = judge_label(folder, settings)
    verdicts = [verdict(pair, label, both) for pair, both in zip(pairs, reviews, strict=True)]
    write_verdicts(out_file, verdicts)
    lost = sum(v.strict == "unparsed" for v in verdicts)
    log.info("%s: %d verdicts, %d of them unparsed", label, len(verdicts), lost)
    return verdicts


def judge_label(folder: JudgeFolder, settings: JudgeSettings) -> str:
    """What verdicts call this judge: the folder's name, and the model's where one is asked."""
    return f"{folder.name}/{settings.model}" if folder.asks else folder.name


def _refuse_self_judgement(settings: JudgeSettings, models_under_test: Sequence[str]) -> None:
    """Models prefer their own answers (Panickssery et al., 2024), so such a judge decides nothing."""
    own = [name for name in models_under_test if settings.model and _plain(name) == _plain(settings.model)]
    if own and not settings.force:
        raise ConfigError(
            f"The judge's model '{settings.model}' is a model under test ('{own[0]}'), and models prefer their own "
            f"answers. Use another judge, or set force: true to do it all the same."
        )


def _plain(model: str) -> str:
    return model.lower().rstrip("/").rsplit("/", 1)[-1].removeprefix("bundled:")
