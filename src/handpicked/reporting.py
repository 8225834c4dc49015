"""The last stage: from what the others left on disk to results.json and the report."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked import auditing
from handpicked._version import __version__
from handpicked.analyze.facts import ArmFacts, InstructionFacts, PoolFacts, StageFacts, TrainingFacts
from handpicked.config import Measure
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
    from handpicked.analyze.compared import judged_pairs
    from handpicked.analyze.results import assemble
    from handpicked.people import votes_on
    from handpicked.report import read, write

    experiment = job.experiment
    measure = experiment.arms[experiment.candidate_arm].measure
    looked = _looked(job, opened, subsets, asked, answers, measure)
    values = {
        name: {line["prompt_id"]: line["value"] for line in m.records} for name, m in losses.items() if m
    }
    completions = [completion for measured in answers.values() for completion in measured.records]
    decided = [verdict for measured in verdicts.values() for verdict in measured.records]
    results = assemble(
        experiment.model_dump(mode="json"),
        candidate=experiment.candidate_arm,
        pool=pool_facts(job, opened, looked.lengths[auditing.POOL], measure),
        arms=[
            arm_facts(job, name, subsets.get(name), trained, looked.lengths.get(name))
            for name, trained in models.items()
        ],
        prompts=asked,
        completions=completions,
        losses=values,
        verdicts=decided,
        stages=[*stage_facts(opened, subsets, models, losses, answers, verdicts), *looked.stages],
        audit=looked.audit,
        instructions=looked.instructions,
        answer_features=looked.answer_features,
        provenance=provenance(job, opened, models, command),
        people=votes_on(job.store.folder, judged_pairs(decided, asked, completions), decided),
    )
    write(results, job.store.folder)
    return read(job.store.folder)


def pool_facts(job: Job, opened: OpenPool, lengths: Mapping[str, Any], measure: Measure) -> PoolFacts:
    """The pool as the report describes it; ``lengths`` are its response lengths in ``measure``."""
    path = job.experiment.pool.path
    source = path if isinstance(path, str) else ", ".join(path)
    rejected = sum(1 for _ in opened.pool.rejected())
    return PoolFacts(source, opened.pool.rows, lengths, measure, rejected, opened.held_out)


def arm_facts(
    job: Job, name: str, subset: Subset | None, trained: Trained, lengths: Mapping[str, Any] | None
) -> ArmFacts:
    """One arm as the report describes it; ``lengths`` are the response lengths of its subset."""
    arm = job.experiment.arms[name]
    if subset is None:
        return ArmFacts(name, arm.by)
    training = _training_facts(trained.stage.facts) if trained.stage else None
    summary = dict(subset.stage.facts)
    dropped = tuple(Dropped(**part) for part in summary.pop("dropped"))
    selection = SelectionSummary(dropped=dropped, **summary)
    settings = arm.model_dump(mode="json", exclude={"train"}, exclude_defaults=True)
    return ArmFacts(name, arm.by, selection.kept, lengths, selection, training, settings)


@dataclass(frozen=True)
class Looked:
    """What the audit stages found, as ``assemble`` takes it."""

    lengths: Mapping[str, Mapping[str, Any]]
    audit: dict[str, Any]
    instructions: InstructionFacts
    answer_features: Mapping[tuple[str, str], Mapping[str, float | None]]
    stages: Sequence[StageFacts]


def _looked(
    job: Job,
    opened: OpenPool,
    subsets: Mapping[str, Subset],
    asked: Sequence[Prompt],
    answers: Mapping[str, Measured],
    measure: Measure,
) -> Looked:
    """Look at what was selected and at what was answered, each as a stored stage."""
    from handpicked.analyze.selection_audit import selection_audit
    from handpicked.score.features import FEATURES
    from handpicked.score.root_verb import missing

    lengths, counted = auditing.lengths(job, opened, subsets, measure)
    found = auditing.audit(job, opened, subsets, measure)
    prompts = auditing.prompt_verbs(job, asked)
    features, written = auditing.answer_features(job, answers)
    audit = selection_audit(
        found.rows,
        found.sets,
        found.overlap,
        pool=auditing.POOL,
        measure=measure,
        features=[name for name in FEATURES if name != measure],
        scores=found.scores,
    )
    verbs = found.verbs
    instructions = InstructionFacts(
        missing=missing(),
        sets={name: [verbs[row] for row in one["rows"]] for name, one in found.sets.items()} if verbs else {},
        prompts=prompts[0] if prompts else {},
    )
    ran = [*counted, *found.stages, *([prompts[1]] if prompts else []), written]
    stages = StageFacts("selection audit", "", round(sum(stage.seconds for stage in ran), 3))
    return Looked(lengths, audit, instructions, features, [stages])


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
        device=facts["device"],
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
