"""Runs an experiment, one call per stage: pool, subsets, models, losses, answers, verdicts, benchmarks,
report.

Start reading here. ``stages.py`` says what each stage depends on and where it puts its result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handpicked.config import Experiment
from handpicked.experiment import benchmarks as benchmarking
from handpicked.experiment import report as reporting
from handpicked.experiment import stages
from handpicked.experiment.benched import Benched
from handpicked.experiment.evaluation_prompts import evaluation_prompts
from handpicked.experiment.job import Job, Trained
from handpicked.experiment.judge_arms import judge_arms
from handpicked.experiment.lineup import lineup, members_of
from handpicked.experiment.serving import losses_and_answers
from handpicked.experiment.start import checked
from handpicked.experiment.training import train_arms
from handpicked.progress import Progress, shown
from handpicked.results.schema import Results
from handpicked.selection.execution import Execution
from handpicked.store import open_run, write_json
from handpicked.workers import Workers
from handpicked.workers.devices import parse_devices
from handpicked.workers.machine import this_machine

log = logging.getLogger(__name__)

Until = Literal["select", "train", "generate", "judge", "bench", "report"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its folder, and the contents of ``results.json`` (``None`` when it stopped
    earlier).
    """

    folder: Path
    results: Results | None
    benched: Sequence[Benched] = ()
    benchmarks: Sequence[str] = ()

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"

    @property
    def answer(self) -> str:
        """One sentence that answers the experiment's question."""
        return self.results.answer.sentence if self.results else ""


def run(
    experiment: Experiment | str | Path,
    folder: str | Path | None = None,
    *,
    until: Until = "report",
    only: Sequence[str] = (),
    progress: Progress = shown,
    say: Callable[[str], None] = log.info,
    keep_versions: bool = False,
    devices: str = "all",
) -> Outcome:
    """Run an experiment in ``folder`` (by default ``runs/NAME``), or whatever is not done there yet.

    ``experiment`` is an experiment file, which is checked before any work begins, or one that ``load`` has
    read. A stage runs again if its inputs, settings or versions have changed; ``keep_versions`` keeps results
    of other versions of methods and libraries. ``until`` stops after a stage; ``only`` restricts selecting,
    training and generating to some arms; ``devices`` names the devices for training, scoring, generation and
    benchmarks (``all``, ``0,1``, ``cpu:2``). Raises HandpickedError for the user's mistakes, if possible
    before any work starts.
    """
    if not isinstance(experiment, Experiment):
        experiment = checked(experiment, devices=devices)
    execution = Execution(Workers(devices=devices), keep_versions=keep_versions, say=say, progress=progress)
    return run_stages(experiment, folder, execution, until=until, only=only)


def run_stages(
    experiment: Experiment,
    folder: str | Path | None,
    execution: Execution,
    *,
    until: Until,
    only: Sequence[str] = (),
    command: str = "",
) -> Outcome:
    """``run`` for an experiment that is checked already. ``command`` is recorded in the provenance."""
    folder = Path("runs") / experiment.name if folder is None else Path(folder)
    expanded = lineup(experiment)
    arms = members_of(expanded, only)
    with open_run(folder, execution.say, keep_versions=execution.keep_versions) as store:
        write_json(folder / "experiment.json", experiment.model_dump(mode="json"))
        job = Job(store, expanded, execution.progress, execution.workers)

        pools = stages.pools(job)
        subsets = stages.subsets(job, pools, arms)
        if until == "select":
            return Outcome(folder, None)

        subsets |= {name: stages.refine(job, name, subsets[name]) for name in arms if name in subsets}
        machine = this_machine(parse_devices(execution.workers.devices)) if subsets else None
        models = train_arms(job, arms, subsets, machine)
        if until == "train":
            return Outcome(folder, None)

        if until == "bench":
            return Outcome(folder, None, _benchmarks(job, models), experiment.evaluate.benchmarks)

        prompts = evaluation_prompts(job, pools)
        losses, answers = losses_and_answers(job, models, prompts)
        if until == "generate":
            return Outcome(folder, None)

        verdicts = judge_arms(job, prompts, answers)
        if until == "judge":
            return Outcome(folder, None)

        benched = _benchmarks(job, models)
        made = reporting.Made(pools, subsets, models, prompts, losses, answers, verdicts, benched)
        results = reporting.report(job, made, command)
        return Outcome(folder, results, benched)


def _benchmarks(job: Job, models: Mapping[str, Trained]) -> list[Benched]:
    return [one for name, trained in models.items() for one in benchmarking.benchmarks(job, name, trained)]
