"""``handpicked run``, ``train`` and ``generate``: an experiment, whole or up to one of its stages."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.cli import dry_runs
from handpicked.cli.bars import bars
from handpicked.cli.options import Arms, Devices, DryRun, ExperimentFile, Json, KeepVersions, Launch, Out, Set
from handpicked.cli.terminal import next_step, say
from handpicked.errors import ConfigError

if TYPE_CHECKING:
    from handpicked.experiment.run import Outcome, Until


def run(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    assume: Annotated[
        str | None, typer.Option(help="With --dry-run: plan for another machine, e.g. 8xH100-80GB.")
    ] = None,
    devices: Devices = "all",
    keep_versions: KeepVersions = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run an experiment from its pool to report.html, or resume it."""
    if assume is not None and not dry_run:
        raise ConfigError("--assume is for --dry-run: nothing can be started on a machine that is not here.")
    if dry_run:
        tell_plan(experiment, set_, "report", [], as_json, devices=devices, assume=assume)
        return
    outcome = run_until(experiment, out, set_, "report", [], keep_versions, devices=devices)
    assert outcome.results is not None
    if as_json:
        print(json.dumps({"report": str(outcome.report), **asdict(outcome.results.answer)}))
        return
    print(outcome.report)
    print(outcome.answer)
    next_step(f"open the page above, or vote on pairs of answers: handpicked inspect {outcome.folder}")


def train(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    launch: Launch = None,
    devices: Devices = "all",
    keep_versions: KeepVersions = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Select and train the arms of an experiment, and stop there."""
    if dry_run:
        tell_plan(experiment, set_, "train", arm or [], as_json, devices=devices)
        return
    outcome = run_until(
        experiment, out, set_, "train", arm or [], keep_versions, devices=devices, launch=launch
    )
    folder = outcome.folder
    print(json.dumps({"models": str(folder / "model")}) if as_json else folder / "model")
    if not as_json:
        next_step(f"the answers, verdicts and report: handpicked run {experiment} -o {folder}")


def generate(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    arm: Arms = None,
    devices: Devices = "all",
    keep_versions: KeepVersions = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run until every arm has answered the prompts, and stop there."""
    if dry_run:
        tell_plan(experiment, set_, "generate", arm or [], as_json, devices=devices)
        return
    outcome = run_until(experiment, out, set_, "generate", arm or [], keep_versions, devices=devices)
    folder = outcome.folder
    print(json.dumps({"answers": str(folder / "answers")}) if as_json else folder / "answers")
    if not as_json:
        next_step(f"the verdicts and the report: handpicked run {experiment} -o {folder}")


def tell_plan(
    file: Path,
    overrides: list[str] | None,
    until: Until,
    arms: list[str],
    as_json: bool,
    *,
    devices: str = "all",
    assume: str | None = None,
) -> None:
    """Print what the experiment will take up to a stage, and the command that starts it."""
    from handpicked.experiment.dry_run import plan
    from handpicked.experiment.dry_run_text import text_of

    planned = plan(file, overrides or [], until=until, only=arms, devices=devices, assume=assume)
    dry_runs.show(planned.summary, text_of(planned).split("\n"), as_json)


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
    """Run the experiment until that stage is done, or report what this machine lacks for it.

    ``launch`` is that of every arm, instead of the file's.
    """
    from handpicked.experiment.run import run_stages
    from handpicked.experiment.start import checked
    from handpicked.selection.execution import Execution
    from handpicked.workers import Workers

    experiment = checked(file, overrides or [], devices=devices, launch=launch)
    with bars() as progress:
        execution = Execution(
            Workers(devices=devices), keep_versions=keep_versions, say=say, progress=progress
        )
        command = " ".join(sys.argv[1:])
        return run_stages(experiment, out, execution, until=until, only=arms, command=command)
