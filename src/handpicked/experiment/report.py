"""The last stage: makes results.json and the report from the files of the other stages."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from handpicked._version import __version__
from handpicked.config import Experiment, Measure, TrainSettings
from handpicked.experiment import audit as auditing
from handpicked.experiment.benched import Benched, averages_of, bench_facts, questions
from handpicked.experiment.job import Job, Measured, OpenPool, Subset, Trained, reread, tokenizer
from handpicked.records import Completion, Dropped, Json, Prompt, SelectionSummary, Verdict
from handpicked.report import read, write
from handpicked.results.assemble import assemble
from handpicked.results.compared import judged_pairs
from handpicked.results.facts import (
    ArmFacts,
    InstructionFacts,
    Lengths,
    PoolFacts,
    RunFacts,
    StageFacts,
    TrainingFacts,
)
from handpicked.results.schema import Results
from handpicked.results.sections.arms import RefinedRows
from handpicked.results.sections.selected import SelectionAudit
from handpicked.results.selection_audit import selection_audit
from handpicked.scorers.text.features import FEATURES
from handpicked.scorers.text.root_verb import missing
from handpicked.store import Facts, Stage
from handpicked.votes.summary import votes_on

KEPT = (
    *("learning_rate", "warmup_steps", "rate_sum", "token_accuracy", "token_accuracy_last_pass"),
    *("weight_change", "weight_change_relative"),
)
"""The fields of a training's result that the report shows, under the same names."""


@dataclass(frozen=True)
class Made:
    """What the other stages of a run made: of each pool, of each arm, and (``verdicts``) of each judge."""

    pools: Mapping[str | None, OpenPool]
    subsets: Mapping[str, Subset]
    models: Mapping[str, Trained]
    prompts: Sequence[Prompt]
    losses: Mapping[str, Measured[Json] | None]
    answers: Mapping[str, Measured[Completion]]
    verdicts: Mapping[str, Measured[Verdict]]
    benched: Sequence[Benched]


def report(job: Job, made: Made, command: str) -> Results:
    """Assemble the results and write results.json, report.html and report.md. Returns the results."""
    lineup = job.lineup
    candidate = next(arm for arm in lineup.arms if arm.name == lineup.candidates[0])
    measure = job.experiment.arms[candidate.members[0]].measure
    looked = _looked(job, made, measure)
    ran = ran_stages(made)
    values = {
        name: {line["prompt_id"]: line["value"] for line in m.records} for name, m in made.losses.items() if m
    }
    completions = [completion for measured in made.answers.values() for completion in measured.records]
    decided = [verdict for measured in made.verdicts.values() for verdict in measured.records]
    run = RunFacts(
        experiment=resolved_settings(lineup.written),
        candidates=lineup.candidates,
        curves=[[arm.name for arm in curve] for curve in lineup.curves()],
        pool=pool_facts(made.pools[None], looked.pools[None], measure),
        pools=[
            pool_facts(pool, looked.pools[name], measure, name) for name, pool in made.pools.items() if name
        ],
        arms=[
            arm_facts(job, name, made.subsets.get(name), trained, looked.lengths.get(name, ()))
            for name, trained in made.models.items()
        ],
        prompts=made.prompts,
        completions=completions,
        losses=values,
        verdicts=decided,
        stages=[*stage_facts(ran, made), looked.stage],
        audit=looked.audit,
        instructions=looked.instructions,
        answer_features=looked.answer_features,
        provenance=provenance(
            made,
            command,
            [*(stage for _, _, stage in ran), *looked.stages],
        ),
        people=votes_on(job.store.folder, judged_pairs(decided, made.prompts, completions), decided),
        benchmarks=[bench_facts(one) for one in made.benched],
        averages=averages_of(lineup.written.evaluate.benchmarks),
    )
    write(assemble(run), job.store.folder)
    return read(job.store.folder)


def resolved_settings(experiment: Experiment) -> Json:
    """The experiment file with its defaults, those that depend on another setting too."""
    arms = {
        name: arm.model_copy(update={"train": arm.train and arm.train.resolved()})
        for name, arm in experiment.arms.items()
    }
    resolved = experiment.model_copy(update={"train": experiment.train.resolved(), "arms": arms})
    return resolved.model_dump(mode="json")


def pool_facts(opened: OpenPool, lengths: Lengths, measure: Measure, name: str = "") -> PoolFacts:
    """A pool as the report describes it, with its response lengths in ``measure`` by the
    first candidate's tokenizer.
    """
    path = opened.settings.path
    source = path if isinstance(path, str) else ", ".join(path)
    rejected = sum(1 for _ in opened.pool.rejected())
    return PoolFacts(source, opened.pool.rows, lengths, measure, rejected, len(opened.held_out), name)


def arm_facts(job: Job, name: str, subset: Subset | None, trained: Trained, lengths: Lengths) -> ArmFacts:
    """One arm as the report describes it; ``lengths`` are the response lengths of its subset."""
    arm, place = job.experiment.arms[name], job.lineup.arm(name)
    if subset is None:
        return ArmFacts(name, arm.by, arm=place.name, family=place.family, base=place.base)
    training = _training_facts(trained.stage.facts, job.lineup.train(name)) if trained.stage else None
    summary = dict(subset.stage.facts)
    dropped = tuple(Dropped(**part) for part in summary.pop("dropped"))
    selection = SelectionSummary(dropped=dropped, **summary)
    settings = arm.model_dump(mode="json", exclude={"train"}, exclude_defaults=True)
    refined = RefinedRows(**subset.refined.facts) if subset.refined else None
    return ArmFacts(
        name,
        arm.by,
        selection.kept,
        lengths,
        selection,
        training,
        settings,
        arm=place.name,
        family=place.family,
        base=place.base,
        pool=arm.pool or "",
        refined=refined,
    )


def _tokenizer(job: Job) -> str | None:
    """The tokenizer that counts all lengths: that of the first base model."""
    first = next(arm for arm in job.lineup.arms if arm.name == job.lineup.candidates[0])
    return tokenizer(job.lineup.model(first.members[0]))


@dataclass(frozen=True)
class Looked:
    """What the audit stages found, as ``assemble`` takes it: lengths and features of pools and subsets."""

    pools: Mapping[str | None, Lengths]
    lengths: Mapping[str, Lengths]
    audit: SelectionAudit
    instructions: InstructionFacts
    answer_features: Mapping[tuple[str, str], Mapping[str, float | None]]
    stages: Sequence[Stage]

    @property
    def stage(self) -> StageFacts:
        """All of them as one."""
        return StageFacts("selection audit", "", round(sum(stage.seconds for stage in self.stages), 3))


def _looked(job: Job, made: Made, measure: Measure) -> Looked:
    """Audit the selected rows as they were trained on, and the answers, each as a stored stage."""
    name_of = _tokenizer(job) if measure == "tokens" else None
    wholes = {
        name: auditing.lengths(
            job, f"pool-{name}" if name else "pool", one.pool, one.identity, measure, name_of
        )
        for name, one in made.pools.items()
    }
    parts = {
        name: auditing.lengths(
            job, f"arms/{name}", reread(one.reading, one.file), one.identity, measure, name_of
        )
        for name, one in made.subsets.items()
    }
    audit, verbs, audited = _audited(job, made, measure, name_of)
    prompts = auditing.prompt_verbs(job, made.prompts)
    documents = auditing.document_verbs(job, questions(made.benched))
    features, written = auditing.answer_features(job, made.answers)
    ran = [stage for _, stage in (*wholes.values(), *parts.values())]
    ran += [*audited, *(found[1] for found in (prompts, documents) if found), written]
    return Looked(
        pools={name: found for name, (found, _) in wholes.items()},
        lengths={name: found for name, (found, _) in parts.items()},
        audit=audit,
        instructions=InstructionFacts(
            missing(), verbs, prompts[0] if prompts else {}, documents[0] if documents else {}
        ),
        answer_features=features,
        stages=ran,
    )


def _audited(
    job: Job, made: Made, measure: Measure, tokenizer: str | None
) -> tuple[SelectionAudit, Mapping[str, Sequence[Sequence[str | None]]], Sequence[Stage]]:
    """The selection audit of the candidate's pool and of the first seed of every arm that selects from it."""
    chosen = job.experiment.arms
    candidate = next(arm for arm in job.lineup.arms if arm.name == job.lineup.candidates[0])
    pool = chosen[candidate.members[0]].pool
    shown = {
        arm.name: made.subsets[arm.members[0]]
        for arm in job.lineup.arms
        if arm.members[0] in made.subsets and chosen[arm.members[0]].pool == pool
    }
    found = auditing.audit(job, made.pools[pool], shown, measure, tokenizer)
    audit = selection_audit(
        found.rows,
        found.sets,
        found.overlap,
        pool=auditing.POOL,
        measure=measure,
        features=list(FEATURES),
        scores=found.scores,
    )
    verbs = found.verbs or {}
    sets = {name: [verbs[row] for row in one.rows] for name, one in found.sets.items()} if verbs else {}
    return audit, sets, found.stages


def _training_facts(facts: Facts, settings: TrainSettings) -> TrainingFacts:
    """What the stage kept. The origin of the learning rate is not part of a result: it comes from the
    experiment.
    """
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
        ranks=facts.get("ranks", 1),
        template=facts.get("template", ""),
        rate_origin=settings.rate_origin,
        rows_refused=facts.get("rows_refused", 0),  # trainings of earlier versions did not count them
        turns_unlearned=facts.get("turns_unlearned", 0),
        **{name: facts[name] for name in KEPT},
    )


def ran_stages(made: Made) -> list[tuple[str, str, Stage]]:
    """Every stage that ran, with its name and its arm, in the order of the path. Arms may share scores."""
    scores = {
        stage.name: (f"score {scorer}", stage)
        for subset in made.subsets.values()
        for scorer, stage in subset.scores.items()
    }
    ran: list[tuple[str, str, Stage | None]] = [
        ("pool", name or "", pool.stage) for name, pool in made.pools.items()
    ]
    ran += [(name, "", stage) for name, stage in scores.values()]
    ran += [("select", name, subset.stage) for name, subset in made.subsets.items()]
    ran += [("refine", name, subset.refined) for name, subset in made.subsets.items()]
    ran += [("train", name, trained.stage) for name, trained in made.models.items()]
    ran += [("reference loss", name, measured.stage) for name, measured in made.losses.items() if measured]
    ran += [("generate", name, measured.stage) for name, measured in made.answers.items()]
    ran += [(f"judge {name}", "", measured.stage) for name, measured in made.verdicts.items()]
    ran += [(f"bench {one.benchmark}", one.arm, one.stage) for one in made.benched]
    return [(name, arm, stage) for name, arm, stage in ran if stage is not None]


def stage_facts(ran: Sequence[tuple[str, str, Stage]], made: Made) -> list[StageFacts]:
    """Their times and what was paid, which scoring and rewriting note themselves."""
    judged = {f"judge {name}": _cost(measured.records) for name, measured in made.verdicts.items()}
    return [
        StageFacts(name, arm, stage.seconds, judged.get(name, stage.facts.get("cost")))
        for name, arm, stage in ran
    ]


def _cost(verdicts: Sequence[Verdict]) -> float | None:
    paid = [review.cost for verdict in verdicts for review in verdict.reviews if review.cost is not None]
    return sum(paid) if paid else None


def provenance(made: Made, command: str, ran: Sequence[Stage]) -> dict[str, JsonValue]:
    """The provenance of the numbers: versions, time and machine of each stage, and of this report.

    Times are those that the stages noted, so that a report rendered again from the same results is the same.
    """
    stages = list({stage.name: stage for stage in ran}.values())
    kept: list[JsonValue] = [f"{stage.name}: {what}" for stage in stages for what in stage.origin.kept]
    others: dict[str, JsonValue] = {name: pool.identity for name, pool in made.pools.items() if name}
    return {
        "handpicked": __version__,
        "command": command,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "pool": made.pools[None].identity,
        **({"pools": others} if len(made.pools) > 1 else {}),
        "models": {name: trained.identity for name, trained in made.models.items()},
        **_commit(),
        **({"kept_versions": kept} if kept else {}),
        "stages": [_origin(stage) for stage in stages],
    }


def _origin(stage: Stage) -> dict[str, JsonValue]:
    """What made a stage, as results.json has it; earlier versions of handpicked did not record it."""
    origin = stage.origin
    return {
        "stage": stage.name,
        "versions": dict(origin.versions.methods),
        "libraries": dict(origin.versions.libraries),
        **{name: origin.made.get(name) for name in ("finished", "machine", "python", "handpicked")},
        "kept": list(origin.kept),
    }


def _commit() -> dict[str, JsonValue]:
    """The commit of the checkout that this code runs from, and whether it had changes; nothing
    for an installed package.
    """
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
