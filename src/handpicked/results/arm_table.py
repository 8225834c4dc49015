"""The facts of each arm: its subset, its training, its held-out loss, its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from handpicked.records import Completion, Estimate
from handpicked.results.facts import ArmFacts, Losses, TrainingFacts
from handpicked.results.sections.arms import ArmSection
from handpicked.statistics import seeds
from handpicked.statistics.histogram import summarize


def arm_table(
    arms: Sequence[ArmFacts], candidates: Sequence[str], losses: Losses, completions: Sequence[Completion]
) -> tuple[ArmSection, ...]:
    """The facts of each arm, in the order of the experiment file; the seeds of one arm are pooled."""
    groups = by_arm(arms)
    answers: dict[str, list[Completion]] = {name: [] for name in groups}
    arm_of = {arm.name: name for name, members in groups.items() for arm in members}
    for completion in completions:
        answers[arm_of[completion.arm]].append(completion)
    found = []
    for name, members in groups.items():
        on_base = {other: m for other, m in groups.items() if m[0].base == members[0].base}
        untouched = next((m for m in on_base.values() if m[0].by == "none"), [])
        candidate = next((m for other, m in on_base.items() if other in candidates), [])
        found.append(_section(name, members, untouched, candidate, losses, answers[name]))
    return tuple(found)


def by_arm(arms: Sequence[ArmFacts]) -> dict[str, list[ArmFacts]]:
    """The models of each arm of the results: one, or one a seed."""
    groups: dict[str, list[ArmFacts]] = {}
    for arm in arms:
        groups.setdefault(arm.arm or arm.name, []).append(arm)
    return groups


def _section(
    name: str,
    members: Sequence[ArmFacts],
    untouched: Sequence[ArmFacts],
    candidate: Sequence[ArmFacts],
    losses: Losses,
    completions: Sequence[Completion],
) -> ArmSection:
    """One arm. Lengths are of all seeds together, training is the mean over them."""
    first = members[0]
    ordered = sorted(completions, key=lambda completion: (completion.arm, completion.prompt_id))
    finished = _by_model(ordered, lambda completion: float(completion.finished))
    unfinished = _by_model(ordered, lambda completion: float(not completion.finished))
    return ArmSection(
        name=name,
        by=first.by,
        family=first.family or name,
        base=first.base,
        pool=first.pool,
        seeds=tuple(arm.name for arm in members) if len(members) > 1 else (),
        rows=first.rows,
        settings=first.settings,
        selection=first.selection,
        refined=first.refined,
        lengths=summarize([length for arm in members for length in arm.lengths]),
        training=_training([arm.training for arm in members if arm.training]),
        loss=_loss(members, losses),
        loss_above_base=_above(members, untouched, losses),
        loss_above_candidate=_above(members, candidate, losses),
        answer_lengths=summarize([completion.tokens for completion in ordered]),
        answer_tokens=seeds.mean(_by_model(ordered, lambda completion: completion.tokens) or [{}]),
        finished=seeds.mean(finished, share=True),
        unfinished=seeds.mean(unfinished, share=True),
        empty=sum(not completion.answer.strip() for completion in ordered),
    )


def _by_model(
    completions: Sequence[Completion], value: Callable[[Completion], float | None]
) -> list[dict[str, float | None]]:
    """A value of every answer by prompt, for each model that answered."""
    found: dict[str, dict[str, float | None]] = {}
    for completion in completions:
        found.setdefault(completion.arm, {})[completion.prompt_id] = value(completion)
    return list(found.values())


def _training(facts: Sequence[TrainingFacts]) -> TrainingFacts | None:
    """The one training, or the means over several."""
    if len(facts) < 2:
        return facts[0] if facts else None
    curves = [dict(one.curve) for one in facts]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    return replace(
        facts[0],
        rows=_mean([one.rows for one in facts]),
        truncated=_mean([one.truncated for one in facts]),
        steps=_mean([one.steps for one in facts]),
        epochs=_mean([one.epochs for one in facts]),
        tokens=_mean([one.tokens for one in facts]),
        response_tokens=_mean([one.response_tokens for one in facts]),
        seconds=_mean([one.seconds for one in facts]),
        curve=[(step, _mean([curve[step] for curve in curves])) for step in steps],
        learning_rate=_mean_of_known([one.learning_rate for one in facts]),
        warmup_steps=_mean([one.warmup_steps for one in facts]),
        rate_sum=_mean_of_known([one.rate_sum for one in facts]),
        token_accuracy=_mean_of_known([one.token_accuracy for one in facts]),
        token_accuracy_last_pass=_mean_of_known([one.token_accuracy_last_pass for one in facts]),
        weight_change=_mean_of_known([one.weight_change for one in facts]),
        weight_change_relative=_mean_of_known([one.weight_change_relative for one in facts]),
        rows_refused=_mean([one.rows_refused for one in facts]),
        turns_unlearned=_mean([one.turns_unlearned for one in facts]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    """The mean over the seeds; ``None`` where one has no value."""
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None


def _loss(members: Sequence[ArmFacts], losses: Losses) -> Estimate | None:
    """Held-out loss, nats per response token."""
    mine = [losses[arm.name] for arm in members if losses.get(arm.name)]
    return seeds.mean(mine) if mine else None


def _above(members: Sequence[ArmFacts], others: Sequence[ArmFacts], losses: Losses) -> Estimate | None:
    """How far the loss lies above that of another arm on the same prompts."""
    mine, other = ([losses[arm.name] for arm in side if losses.get(arm.name)] for side in (members, others))
    if not mine or not other or members[0].name == others[0].name:
        return None
    return seeds.difference(mine, other)
