"""The last stage: from what the others left on disk to results.json and the report."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handpicked._version import __version__
from handpicked.analyze.facts import ArmFacts, PoolFacts, StageFacts, TrainingFacts
from handpicked.config import Experiment
from handpicked.job import Job, Measured, OpenPool, Subset, Trained
from handpicked.records import Dropped, Prompt, SelectionSummary, Verdict
from handpicked.store import Stage


def report(
    job: Job,
    opened: OpenPool,
    subsets: Mapping[str, Subset],
    models: Mapping[str, Trained],
    asked: Sequence[Prompt],
    losses: Mapping[str, Measured | None],
    answers: Mapping[str, Measured],
    verdicts: Mapping[str, Measured],
    command: str,
) -> dict[str, Any]:
    """Assemble the results and write results.json, report.html and report.md. Returns the results."""
    from handpicked.analyze.results import assemble
    from handpicked.report import write

    experiment = job.experiment
    values = {
        name: {line["prompt_id"]: line["value"] for line in m.records} for name, m in losses.items() if m
    }
    results = assemble(
        experiment.model_dump(mode="json"),
        pool_facts(job, opened, subsets),
        [arm_facts(job, name, subsets.get(name), trained) for name, trained in models.items()],
        asked,
        [completion for measured in answers.values() for completion in measured.records],
        values,
        [verdict for measured in verdicts.values() for verdict in measured.records],
        stage_facts(opened, subsets, models, losses, answers, verdicts),
        provenance(job, opened, models, command),
        experiment.candidate_arm,
    )
    write(results, job.store.folder)
    return results


def pool_facts(experiment: Experiment, opened: OpenPool, subsets: Mapping[str, Subset]) -> PoolFacts:
    first = next(iter(subsets.values()), None)
    lengths = _lengths(first, kept_only=False) if first else []
    measure = experiment.arms[next(iter(subsets))].measure if subsets else "tokens"
    path = experiment.pool.path
    rejected = sum(1 for _ in opened.pool.rejected())
    return PoolFacts(
        path if isinstance(path, str) else ", ".join(path),
        opened.pool.rows,
        lengths,
        measure,
        rejected,
        opened.held_out,
    )


def _lengths(subset: Subset, *, kept_only: bool) -> list[int | None]:
    """Response lengths from the subset's scores.parquet."""
    import pyarrow.parquet as pq

    table = pq.read_table(subset.folder / "scores.parquet", columns=["length", "kept"])
    rows = table.filter(table["kept"]) if kept_only else table
    return [None if length is None else int(length) for length in rows["length"].to_pylist()]


def arm_facts(experiment: Experiment, name: str, subset: Subset | None, trained: Trained) -> ArmFacts:
    arm = experiment.arms[name]
    if subset is None:
        return ArmFacts(name, arm.by)
    lengths = _lengths(subset, kept_only=True)
    training = _training_facts(trained.stage.facts) if trained.stage else None
    summary = dict(subset.stage.facts)
    dropped = tuple(Dropped(**part) for part in summary.pop("dropped"))
    selection = SelectionSummary(dropped=dropped, **summary)
    settings = arm.model_dump(mode="json", exclude={"train"}, exclude_defaults=True)
    return ArmFacts(name, arm.by, len(lengths), lengths, selection, training, settings)


def _training_facts(facts: Mapping[str, Any]) -> TrainingFacts:
    return TrainingFacts(
        rows=facts["rows_used"],
        truncated=facts["rows_truncated"],
        steps=facts["steps"],
        epochs=facts["epochs"],
        tokens=facts["training_tokens"],
        response_tokens=facts["response_tokens"],
        seconds=facts["seconds"],
        curve=[(step, loss) for step, loss in facts["losses"]],
        device=facts.get("device", ""),
    )


def stage_facts(
    opened: OpenPool,
    subsets: Mapping[str, Subset],
    models: Mapping[str, Trained],
    losses: Mapping[str, Measured | None],
    answers: Mapping[str, Measured],
    verdicts: Mapping[str, Measured],
) -> list[StageFacts]:
    """Every stage that ran, in the order of the path."""
    ran: list[tuple[str, str, Stage | None]] = [("pool", "", opened.stage)]
    ran += [("select", name, subset.stage) for name, subset in subsets.items()]
    ran += [("train", name, trained.stage) for name, trained in models.items()]
    ran += [("reference loss", name, measured.stage) for name, measured in losses.items() if measured]
    ran += [("generate", name, measured.stage) for name, measured in answers.items()]
    ran += [(f"judge {name}", "", measured.stage) for name, measured in verdicts.items()]
    costs = {f"judge {name}": _cost(measured.records) for name, measured in verdicts.items()}
    return [
        StageFacts(name, arm, stage.seconds, costs.get(name)) for name, arm, stage in ran if stage is not None
    ]


def _cost(verdicts: Sequence[Verdict]) -> float | None:
    paid = [review.cost for verdict in verdicts for review in verdict.reviews if review.cost is not None]
    return sum(paid) if paid else None


def provenance(job: Job, opened: OpenPool, models: Mapping[str, Trained], command: str) -> dict[str, Any]:
    """Where the numbers come from. No clock: a report rendered again from the same results is the same."""
    packages = ("torch", "transformers", "trl", "peft", "daft", "gigatoken", "sentence-transformers")
    return {
        "handpicked": __version__,
        "command": command,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in packages if (version := _version(name)) is not None},
        "pool": opened.identity,
        "models": {name: trained.identity for name, trained in models.items()},
        **_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    """The commit of the checkout that this code runs from, and whether it had changes; nothing for an installed package."""
    here = Path(__file__).resolve().parent
    if not (here.parents[1] / ".git").exists():
        return {}
    try:
        commit = _git(here, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(here, "status", "--porcelain", "--", "src"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder.parents[1]), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
