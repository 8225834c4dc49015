"""The learning rate of every optimizer step, computed before training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from handpicked.config import TrainSettings
from handpicked.errors import TrainingError

LEAST_RATE_SUM = 1e-9
"""Sum of learning rates below which no weight moves. An AdamW step moves a weight by about the learning rate
at most; weights of language models are of the order of 0.01 and more, where float32 numbers lie 1e-9 apart.
"""

SHAPES: Mapping[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1 - done,
    "constant": lambda _: 1.0,
}
"""Share of the peak rate by the share of the steps after warm-up that is done, 0 to below 1: the
first is always the peak.
"""
TRANSFORMERS: Mapping[str, str] = {
    "cosine": "cosine",
    "linear": "linear",
    "constant": "constant_with_warmup",  # their "constant" leaves the warm-up out
}
"""The schedulers by the names that transformers has for them."""


@dataclass(frozen=True)
class Schedule:
    """The learning rates of ``steps`` optimizer steps, the first ``warmup`` of which
    rise from 0 towards ``peak``.
    """

    steps: int
    warmup: int
    peak: float
    shape: str

    def rates(self) -> Iterator[float]:
        """The learning rate of each step, as transformers' schedulers give it: the first
        step of a warm-up has rate 0.
        """
        for step in range(self.warmup):
            yield self.peak * step / self.warmup
        after = self.steps - self.warmup
        for step in range(after):
            yield self.peak * SHAPES[self.shape](step / after)

    @property
    def rate_sum(self) -> float:
        """The sum of the learning rates: about the furthest that AdamW can move a single weight."""
        return math.fsum(self.rates())

    @property
    def moves(self) -> bool:
        """Whether the steps can move a weight at all."""
        return self.rate_sum >= LEAST_RATE_SUM


def warmup_steps(steps: int, ratio: float) -> int:
    """``ratio`` of ``steps``, rounded down and never all of them: the first step of a warm-up learns nothing.

    ``ratio`` is taken as it is written, so that 0.29 of 100 steps is 29. transformers itself rounds up: 0.03
    of one step is one, at learning rate 0.
    """
    return max(0, min(math.floor(Fraction(str(ratio)) * steps), steps - 1))


def schedule(steps: int, settings: TrainSettings) -> Schedule:
    """The schedule of ``steps`` optimizer steps under ``settings``."""
    warmup = warmup_steps(steps, settings.warmup_ratio)
    return Schedule(steps, warmup, settings.peak_rate, settings.scheduler)


def refuse_still(planned: Schedule) -> None:
    """Raise TrainingError for a schedule that cannot move a weight: the result would be the base model."""
    if not planned.moves:
        raise TrainingError(still(planned))


def still(planned: Schedule) -> str:
    """Why a schedule cannot change a weight, and what to do."""
    if not planned.steps:
        return "there is no row to train on, so the arm would stay the base model. Select some rows."
    plural = "" if planned.steps == 1 else "s"
    return (
        f"{planned.steps:,} optimizer step{plural} with learning rates that add up to "
        f"{planned.rate_sum:.2g} cannot move a weight "
        "in float32, so the arm would stay the base model. Raise train.learning_rate "
        f"({planned.peak:g}), or train longer."
    )
