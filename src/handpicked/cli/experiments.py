"""``handpicked run``, ``train`` and ``generate``: an experiment, whole or up to one of its stages."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.cli.bars import bars
from handpicked.cli.options import Arms, Devices, ExperimentFile, Json, KeepVersions, Launch, Out, Set
from handpicked.cli.terminal import say
from handpicked.errors import ConfigError, MissingPart

if TYPE_CHECKING:
    from handpicked.experiment.run import Outcome, Until


def run(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Resolve, count, estimate; start nothing.")
    ] = False,
    assume: Annotated[
        str | None, typer.Option(help="With --dry-run: plan for another machine, e.g. 8xH100-80GB.")
    ] = None,
    devices: Devices = "all",
    keep_versions: KeepVersions = False,
    as_json: Json = False,
) -> None:
    """Run an experiment from its pool to report.html, or resume it."""
    if assume is not None and not dry_run:
        raise ConfigError("--assume is for --dry-run: nothing can be started on a machine that is not here.")
    if dry_run:
        from handpicked.experiment.dry_run import plan, text_of

        planned = plan(experiment, set_ or [], devices=devices, assume=assume)
        print(json.dumps(planned.summary) if as_json else text_of(planned))
        return
    outcome = run_until(experiment, out, set_, "report", [], keep_versions, devices=devices)
    assert outcome.results is not None
    if as_json:
        print(json.dumps({"report": str(outcome.report), **asdict(outcome.results.answer)}))
        return
    print(outcome.report)
    print(outcome.answer)


def train(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    launch: Launch = None,
    devices: Devices = "all",
    keep_versions: KeepVersions = False,
) -> None:
    """Select and train the arms of an experiment, and stop there."""
    outcome = run_until(
        experiment, out, set_, "train", arm or [], keep_versions, devices=devices, launch=launch
    )
    print(outcome.folder / "model")


def generate(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    keep_versions: KeepVersions = False,
) -> None:
    """Run until every arm has answered the prompts, and stop there."""
    print(run_until(experiment, out, set_, "generate", arm or [], keep_versions).folder / "answers")


def run_until(
    file: Path,
    out: Path | None,
    overrides: list[str] | None,
    until: Until,
    arms: list[str],
    keep_versions: bool,
    *,
    devices: str = "all",
    launch: str | None = None,
) -> Outcome:
    """Run the experiment until that stage is done, or say what this machine lacks for it.

    ``launch`` is that of every arm, instead of the file's.
    """
    from handpicked.experiment.checks import missing_parts, mistakes
    from handpicked.experiment.file import load
    from handpicked.experiment.launching import launch_mistakes, launched
    from handpicked.experiment.lineup import lineup
    from handpicked.experiment.run import run as run_experiment
    from handpicked.experiment.untouched import untouched
    from handpicked.workers.devices import parse_devices
    from handpicked.workers.machine import this_machine

    experiment = launched(load(file, overrides or [], also=mistakes), launch)
    missing = missing_parts(experiment)
    if missing:
        raise MissingPart("\n".join(missing))
    machine = this_machine(parse_devices(devices))
    load(file, overrides or [], also=lambda read: launch_mistakes(launched(read, launch), machine))
    load(file, overrides or [], also=lambda read: untouched(lineup(read)))
    folder = out or Path("runs") / experiment.name
    with bars() as progress:
        return run_experiment(
            experiment,
            folder,
            until=until,
            only=arms,
            progress=progress,
            say=say,
            command=" ".join(sys.argv[1:]),
            keep_versions=keep_versions,
            devices=devices,
        )
