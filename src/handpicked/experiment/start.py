"""What is checked before an experiment begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handpicked.config import Experiment
from handpicked.errors import MissingPart
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.file import load
from handpicked.experiment.lineup import lineup
from handpicked.experiment.untouched import untouched


def checked(file: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in ``file`` with ``key.sub=value`` overrides, which can be run here.

    Raises:
        ConfigError: every mistake in it. MissingPart: everything that this machine lacks for it.
    """
    experiment = load(Path(file), overrides, also=mistakes)
    missing = missing_parts(experiment)
    if missing:
        raise MissingPart("\n".join(missing))
    load(Path(file), overrides, also=lambda read: untouched(lineup(read)))
    return experiment
