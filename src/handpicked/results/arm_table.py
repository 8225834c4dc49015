"""The facts of each arm: its subset, its training, its held-out loss, its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from handpicked.records import Completion
from handpicked.results.facts import ArmFacts, Losses, TrainingFacts
from handpicked.statistics import seeds
from handpicked.statistics.histogram import summarize

Json = dict[str, Any]
AVERAGED = (
    *("rows", "truncated", "steps", "epochs", "tokens", "response_tokens", "seconds", "learning_rate"),
    *("warmup_steps", "rate_sum", "token_accuracy", "token_accuracy_last_pass"),
    *("weight_change", "weight_change_relative"),
)
"""What of the trainings of several seeds is told as their mean."""


def arm_table(
    arms: Sequence[ArmFacts], candidates: Sequence[str], losses: Losses, completions: Sequence[Completion]
) -> list[Json]:
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
        found.append(
            {
                **_facts(name, members),
                "loss": _loss(members, losses),
                "loss_above_base": _above(members, untouched, losses),
                "loss_above_candidate": _above(members, candidate, losses),
                **_answers(answers[name]),
            }
        )
    return found


def by_arm(arms: Sequence[ArmFacts]) -> dict[str, list[ArmFacts]]:
    """The models of each arm of the results: one, or one a seed."""
    groups: dict[str, list[ArmFacts]] = {}
    for arm in arms:
        groups.setdefault(arm.arm or arm.name, []).append(arm)
    return groups


def _facts(name: str, members: Sequence[ArmFacts]) -> Json:
    """What was selected and trained. Lengths are of all seeds together, training is the mean over them."""
    first = members[0]
    return {
        "name": name,
        "by": first.by,
        "family": first.family or name,
        "base": first.base,
        "pool": first.pool,
        "seeds": [arm.name for arm in members] if len(members) > 1 else [],
        "rows": first.rows,
        "settings": dict(first.settings),
        "selection": asdict(first.selection) if first.selection else None,
        "refined": dict(first.refined) if first.refined else None,
        "lengths": summarize([length for arm in members for length in arm.lengths]),
        "training": _training([arm.training for arm in members if arm.training]),
    }


def _training(facts: Sequence[TrainingFacts]) -> Json | None:
    if len(facts) < 2:
        return asdict(facts[0]) if facts else None
    curves = [dict(one.curve) for one in facts]
    steps = [step for step in curves[0] if all(step in curve for curve in curves)]
    return {
        **{name: _mean([getattr(one, name) for one in facts]) for name in AVERAGED},
        "curve": [(step, sum(curve[step] for curve in curves) / len(curves)) for step in steps],
        "device": facts[0].device,
        "template": facts[0].template,
        "rate_origin": facts[0].rate_origin,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean over the seeds; None where one has no value."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _loss(members: Sequence[ArmFacts], losses: Losses) -> Json | None:
    """Held-out loss, nats per response token."""
    mine = [losses[arm.name] for arm in members if losses.get(arm.name)]
    return asdict(seeds.mean(mine)) if mine else None


def _above(members: Sequence[ArmFacts], others: Sequence[ArmFacts], losses: Losses) -> Json | None:
    """How far the loss lies above that of another arm on the same prompts."""
    mine, other = ([losses[arm.name] for arm in side if losses.get(arm.name)] for side in (members, others))
    if not mine or not other or members[0].name == others[0].name:
        return None
    return asdict(seeds.difference(mine, other))


def _answers(completions: Sequence[Completion]) -> Json:
    """Answer lengths in the model's tokens, and the shares of answers that ended by themselves and that stopped at the token limit."""
    ordered = sorted(completions, key=lambda completion: (completion.arm, completion.prompt_id))
    tokens: dict[str, dict[str, float | None]] = {}
    finished: dict[str, dict[str, float | None]] = {}
    unfinished: dict[str, dict[str, float | None]] = {}
    for completion in ordered:
        tokens.setdefault(completion.arm, {})[completion.prompt_id] = completion.tokens
        finished.setdefault(completion.arm, {})[completion.prompt_id] = float(completion.finished)
        unfinished.setdefault(completion.arm, {})[completion.prompt_id] = float(not completion.finished)
    return {
        "answer_lengths": summarize([completion.tokens for completion in ordered]),
        "answer_tokens": asdict(seeds.mean(list(tokens.values()) or [{}])),
        "finished": asdict(seeds.mean(list(finished.values()), share=True)),
        "unfinished": asdict(seeds.mean(list(unfinished.values()), share=True)),
        "empty": sum(not completion.text.strip() for completion in ordered),
    }
