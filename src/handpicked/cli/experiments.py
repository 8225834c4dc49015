"""``handpicked run``, ``train`` and ``generate``: an experiment, whole or up to one of its stages."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.cli.bars import bars
from handpicked.cli.options import Arms, ExperimentFile, Json, KeepVersions, Out, Set
from handpicked.cli.terminal import say

if TYPE_CHECKING:
    from handpicked.experiment.run import Outcome, Until


def run(
    experiment: ExperimentFile,
    out: Out = None,
    set_: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Resolve, count, estimate; start nothing.")
    ] = False,
    keep_versions: KeepVersions = False,
    as_json: Json = False,
) -> None:
    """Run an experiment from its pool to report.html, or resume it."""
    if dry_run:
        from handpicked.experiment.dry_run import plan, text_of

        planned = plan(experiment, set_ or [])
        print(json.dumps(planned.summary) if as_json else text_of(planned))
        return
    outcome = run_until(experiment, out, set_, "report", [], keep_versions)
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
    keep_versions: KeepVersions = False,
) -> None:
    """Select and train the arms of an experiment, and stop there."""
    print(run_until(experiment, out, set_, "train", arm or [], keep_versions).folder / "model")


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
) -> Outcome:
    """Run the experiment until that stage is done, or say what this machine lacks for it."""
    from handpicked.experiment.run import run as run_experiment
    from handpicked.experiment.start import checked

    experiment = checked(file, overrides or [])
    with bars() as progress:
        return run_experiment(
            experiment,
            out,
            until=until,
            only=arms,
            progress=progress,
            say=say,
            command=" ".join(sys.argv[1:]),
            keep_versions=keep_versions,
        )
