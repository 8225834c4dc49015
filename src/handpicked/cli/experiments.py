"""``handpicked run``, ``train`` and ``generate``: an experiment, whole or up to one of its stages."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class RunOptions:
    """How an experiment is run or planned, in every command that does it."""

    out: Out = None
    set_: Set = None
    devices: Devices = "all"
    keep_versions: KeepVersions = False
    dry_run: DryRun = False
    as_json: Json = False

    def plan(
        self, file: Path, until: Until, arms: Sequence[str] | None = None, assume: str | None = None
    ) -> None:
        """Print what the experiment will take up to a stage, and the command that starts it."""
        from handpicked.experiment.planning.dry_run import plan
        from handpicked.experiment.planning.dry_run_text import text_of

        planned = plan(
            file, self.set_ or [], until=until, only=arms or [], devices=self.devices, assume=assume
        )
        dry_runs.show(planned.summary, text_of(planned).split("\n"), self.as_json)

    def run(
        self, file: Path, until: Until, arms: Sequence[str] | None = None, launch: str | None = None
    ) -> Outcome:
        """Run the experiment until that stage is done, or report what this machine lacks for it.

        ``launch`` is that of every arm, instead of the file's.
        """
        from handpicked.experiment.run import run_stages
        from handpicked.experiment.start import checked
        from handpicked.selection.execution import Execution
        from handpicked.workers import Workers

        experiment = checked(file, self.set_ or [], devices=self.devices, launch=launch)
        with bars() as progress:
            execution = Execution(
                Workers(devices=self.devices), keep_versions=self.keep_versions, say=say, progress=progress
            )
            command = " ".join(sys.argv[1:])
            return run_stages(experiment, self.out, execution, until=until, only=arms or (), command=command)


def run(
    experiment: ExperimentFile,
    *,
    assume: Annotated[
        str | None, typer.Option(help="With --dry-run: plan for another machine, e.g. 8xH100-80GB.")
    ] = None,
    running: RunOptions,
) -> None:
    """Run an experiment from its pool to report.html, or resume it."""
    if assume is not None and not running.dry_run:
        raise ConfigError("--assume is for --dry-run: nothing can be started on a machine that is not here.")
    if running.dry_run:
        running.plan(experiment, "report", assume=assume)
        return
    outcome = running.run(experiment, "report")
    assert outcome.results is not None
    if running.as_json:
        print(json.dumps({"report": str(outcome.report), **asdict(outcome.results.answer)}))
        return
    print(outcome.report)
    print(outcome.answer)
    next_step(f"open the page above, or vote on pairs of answers: handpicked inspect {outcome.folder}")


def train(
    experiment: ExperimentFile, *, arm: Arms = None, launch: Launch = None, running: RunOptions
) -> None:
    """Select and train the arms of an experiment, and stop there."""
    if running.dry_run:
        running.plan(experiment, "train", arm)
        return
    folder = running.run(experiment, "train", arm, launch).folder
    _made("models", folder / "model", running.as_json)
    if not running.as_json:
        next_step(f"the answers, verdicts and report: handpicked run {experiment} -o {folder}")


def generate(experiment: ExperimentFile, *, arm: Arms = None, running: RunOptions) -> None:
    """Run until every arm has answered the prompts, and stop there."""
    if running.dry_run:
        running.plan(experiment, "generate", arm)
        return
    folder = running.run(experiment, "generate", arm).folder
    _made("answers", folder / "answers", running.as_json)
    if not running.as_json:
        next_step(f"the verdicts and the report: handpicked run {experiment} -o {folder}")


def _made(what: str, folder: Path, as_json: bool) -> None:
    print(json.dumps({what: str(folder)}) if as_json else folder)
