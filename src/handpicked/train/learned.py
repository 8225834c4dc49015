"""Loss and token accuracy from a training's log, by step and over the last pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ACCURACY, LEARNED = "token_accuracy", "learned_tokens"
"""What the log of a step has besides its loss: the share of its learned tokens that the model
ranked first, and their number.
"""


@dataclass(frozen=True)
class Learned:
    """By step: mean loss in nats and token accuracy, both over the step's learned tokens. ``accuracy`` is
    over all steps, ``accuracy_last_pass`` over those of the last pass; both weigh every learned token alike.
    """

    losses: tuple[tuple[int, float], ...]
    accuracies: tuple[tuple[int, float], ...]
    accuracy: float
    accuracy_last_pass: float


def learned(history: Sequence[Mapping[str, float]], steps: int, passes: float) -> Learned:
    """Read the Trainer's log of ``steps`` steps, which made ``passes`` passes over the rows.

    Steps may straddle two passes; the last pass is the last steps / passes of them,
    rounded, and one at least.
    """
    entries = [entry for entry in history if "loss" in entry]
    last = max(1, round(steps / max(1.0, passes)))
    return Learned(
        losses=tuple((int(entry["step"]), entry["loss"]) for entry in entries),
        accuracies=tuple((int(entry["step"]), entry[ACCURACY]) for entry in entries),
        accuracy=_share(entries),
        accuracy_last_pass=_share(entries[-last:]),
    )


def _share(entries: Sequence[Mapping[str, float]]) -> float:
    hits = sum(entry[ACCURACY] * entry[LEARNED] for entry in entries)
    return float(hits / sum(entry[LEARNED] for entry in entries))
