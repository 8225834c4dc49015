"""The facts of each arm: its subset, its training, its loss on the references, its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from handpicked.analyze import bootstrap
from handpicked.analyze.facts import ArmFacts
from handpicked.analyze.histogram import summarize
from handpicked.analyze.paired import paired_difference
from handpicked.records import Completion

Json = dict[str, Any]
Losses = Mapping[str, Mapping[str, float | None]]


def arm_table(
    arms: Sequence[ArmFacts], candidate: str, losses: Losses, completions: Sequence[Completion]
) -> list[Json]:
    """The facts of each arm, in the order of the experiment file."""
    base = next((arm.name for arm in arms if arm.by == "none"), None)
    answers: dict[str, list[Completion]] = {arm.name: [] for arm in arms}
    for completion in completions:
        answers[completion.arm].append(completion)
    return [
        {
            "name": arm.name,
            "by": arm.by,
            "rows": arm.rows,
            "settings": dict(arm.settings),
            "selection": asdict(arm.selection) if arm.selection else None,
            "lengths": dict(arm.lengths) if arm.lengths is not None else summarize(()),
            "training": asdict(arm.training) if arm.training else None,
            **_loss(arm.name, base, candidate, losses),
            **_answers(answers[arm.name]),
        }
        for arm in arms
    ]


def _loss(arm: str, base: str | None, candidate: str, losses: Losses) -> Json:
    """Reference loss, and how far it lies above that of the untouched model and of the candidate on the same prompts."""
    mine = losses.get(arm)

    def above(other: str | None) -> Json | None:
        if other is None or other == arm or not mine or not losses.get(other):
            return None
        return asdict(paired_difference(_in_order(mine), _in_order(losses[other])))

    return {
        "loss": _mean(mine) if mine else None,
        "loss_above_base": above(base),
        "loss_above_candidate": above(candidate),
    }


def _answers(completions: Sequence[Completion]) -> Json:
    """Answer lengths in the model's tokens, and the share of answers that stopped at the token limit."""
    unfinished = {completion.prompt_id: float(not completion.finished) for completion in completions}
    return {
        "answer_lengths": summarize([completion.tokens for completion in completions]),
        "answer_tokens": _mean({completion.prompt_id: completion.tokens for completion in completions}),
        "unfinished": asdict(bootstrap.share(list(unfinished), list(unfinished.values()))),
        "empty": sum(not completion.text.strip() for completion in completions),
    }


def _mean(values: Mapping[str, float | None]) -> Json:
    """The mean over prompts of the values that there are."""
    known = {prompt: value for prompt, value in _in_order(values).items() if value is not None}
    return asdict(bootstrap.mean(list(known), list(known.values()), missing=len(values) - len(known)))


def _in_order(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """By prompt id, so that the bootstrap draws the same prompts whatever the order of arrival."""
    return dict(sorted(values.items()))
