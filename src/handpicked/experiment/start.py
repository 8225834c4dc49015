"""What is checked before an experiment begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handpicked.config import Experiment
from handpicked.errors import MissingPart
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.file import load
from handpicked.experiment.launching import launch_mistakes, launched
from handpicked.experiment.lineup import lineup
from handpicked.experiment.planning.untouched import untouched
from handpicked.workers.devices import parse_devices
from handpicked.workers.machine import this_machine


def checked(
    file: str | Path, overrides: Sequence[str] = (), *, devices: str = "all", launch: str | None = None
) -> Experiment:
    """The experiment in ``file`` with ``key.sub=value`` overrides, which can be run here on ``devices``.
    ``launch`` is that of every arm, instead of the file's.

    Raises:
        ConfigError: every mistake in it. MissingPart: everything that this machine lacks for it.
    """
    experiment = launched(load(Path(file), overrides, also=mistakes), launch)
    missing = missing_parts(experiment)
    if missing:
        raise MissingPart("\n".join(missing))
    machine = this_machine(parse_devices(devices))
    load(Path(file), overrides, also=lambda read: launch_mistakes(launched(read, launch), machine))
    load(Path(file), overrides, also=lambda read: untouched(lineup(read)))
    return experiment
