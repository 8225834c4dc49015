"""Estimates the training of one arm: steps, learning rates, tokens, memory, time, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from handpicked.config import FEW_STEPS, ArmSettings, TrainSettings
from handpicked.errors import TrainingError
from handpicked.experiment.lineup import Lineup
from handpicked.experiment.planning import speeds as estimate
from handpicked.experiment.planning.speeds import A_GPU, Hardware
from handpicked.records import Pool
from handpicked.selection.guards import windows
from handpicked.tokens.tokenizer import load_counter
from handpicked.train.estimate import Work, places_of, steps_of
from handpicked.train.estimate import estimate as estimate_training
from handpicked.train.fit import fit
from handpicked.train.plan import plan
from handpicked.train.schedule import schedule, still

if TYPE_CHECKING:
    from handpicked.train.estimate import ModelSize

Costs = list[tuple[int, int]]
"""(response tokens, prompt tokens) of every row of a pool."""


@dataclass(frozen=True)
class PlannedArm:
    """What one arm would take. ``tokens`` are those of its encoded rows over all epochs, ``trained_rows`` the
    distinct rows that it is trained on: under a budget, those that it holds. ``exact`` says that all of these
    are counted as training counts them, not estimated.

    ``learning_rate`` is the peak, ``rate_origin`` where it comes from; ``rate_sum`` adds up the rates of all
    ``steps``, of which ``warmup_steps`` warm up: no weight moves much further. ``shortest_row`` are the
    tokens of the shortest row that it may have. It is started by ``launch`` as ``ranks`` processes, a device
    each, of which each takes ``memory_gib``; ``fits`` is None where the devices' memory is unknown, and
    ``advice`` says what would fit. ``refusal`` is why training would refuse these rows, ``warnings`` are what
    makes the result hard to believe.
    """

    name: str
    by: str
    rows: int = 0
    tokens: int = 0
    trained_rows: int = 0
    steps: int = 0
    memory_gib: float | None = None
    hours: float | None = None
    exact: bool = True
    warmup_steps: int = 0
    learning_rate: float | None = None
    rate_origin: str = ""
    rate_sum: float | None = None
    shortest_row: int = 0
    launch: str = ""
    ranks: int = 1
    fits: bool | None = None
    advice: str = ""
    refusal: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LikelyRows:
    """The tokens of an arm's rows, or of rows like them; ``exact`` when they are its very rows, encoded as for
    training and in their order.
    """

    lengths: Sequence[int]
    exact: bool

    @property
    def mean(self) -> float:
        """Tokens of a row on average; 0 without rows."""
        return sum(self.lengths) / len(self.lengths) if self.lengths else 0.0


def row_costs(pool: Pool) -> Costs:
    """(response tokens, prompt tokens) of every readable row, by the embedded tokenizer."""
    count = load_counter(None).count
    found: Costs = []
    for shard in pool.shards:
        for batch in shard.read(["row", "prompt", "response"]):
            responses, prompts = (
                count(batch[name].cast(pa.large_string())).to_pylist() for name in ("response", "prompt")
            )
            found += zip(responses, prompts, strict=True)
    return found


def likely_rows(arm: ArmSettings, costs: Costs, rows: int, max_length: int) -> LikelyRows:
    """The rows that ``arm`` selects where length alone decides, else those that it may select, each cut
    to ``max_length`` tokens.

    Of the guards only those that bound the tokens are looked at, because they change what the longest rows
    are.
    """
    bounds = windows(arm.guards)
    allowed = [
        row for row, (response, _) in enumerate(costs) if all(low <= response <= high for low, high in bounds)
    ]
    ranked = (
        arm.by in ("longest", "shortest")
        and arm.measure == "tokens"
        and arm.part == "response"
        and rows < len(costs)
    )
    if ranked:
        allowed = sorted(allowed, key=lambda row: costs[row][0], reverse=arm.by == "longest")[:rows]
    return LikelyRows([min(sum(costs[row]), max_length) for row in allowed], exact=False)


def arm_likely_rows(
    expanded: Lineup, arm: ArmSettings, costs: Costs, rows: int, max_length: int
) -> LikelyRows:
    """The rows of the arm whose lengths this arm matches."""
    of = expanded.experiment.arms.get(arm.of or "")
    if of is None:
        return likely_rows(arm, costs, rows, max_length)
    return likely_rows(of, costs, rows, max_length)


def planned_arm(
    name: str,
    arm: ArmSettings,
    rows: int,
    likely: LikelyRows,
    settings: TrainSettings,
    size: ModelSize | None,
    longest_row: int | None,
    hardware: Hardware,
) -> PlannedArm:
    """The plan of an arm of ``rows`` rows like ``likely``; without memory and time where the
    model's ``size`` is unknown.

    ``longest_row``: tokens of the longest row of its pool, which decides the memory.
    """
    found = _stepped(_placed(PlannedArm(name, arm.by, rows), likely, settings), likely, settings)
    if size is None:
        return found
    return _weighed(found, likely.mean, longest_row, settings, size, hardware)


def _placed(arm: PlannedArm, likely: LikelyRows, settings: TrainSettings) -> PlannedArm:
    """The arm with the rows that it is trained on, their tokens and optimizer steps: from the training's own
    plan where its rows are known.
    """
    if likely.exact:
        try:
            found = plan(likely.lengths, settings, settings.seed)
        except TrainingError as error:
            return replace(arm, refusal=str(error))
        return replace(arm, exact=True, trained_rows=found.rows, tokens=found.tokens, steps=found.steps)
    places = places_of(arm.rows, likely.mean, settings)
    return replace(
        arm,
        exact=False,
        trained_rows=min(arm.rows, places),
        tokens=round(places * likely.mean),
        steps=steps_of(places, settings),
    )


def _stepped(arm: PlannedArm, likely: LikelyRows, settings: TrainSettings) -> PlannedArm:
    """The arm with the learning rates of its optimizer steps."""
    rates = schedule(arm.steps, settings)
    warnings = [*arm.warnings]
    if rates.steps < FEW_STEPS:
        warnings.append(
            f"{arm.name} takes {rates.steps} optimizer step{'' if rates.steps == 1 else 's'}, fewer than "
            f"{FEW_STEPS}: too few to say much about its subset. "
            f"Lower train.batch_size ({settings.batch_size}), or train longer."
        )
    if settings.budget_tokens is not None and likely.mean > settings.budget_tokens:
        warnings.append(
            f"{arm.name}: train.budget_tokens = {settings.budget_tokens:,} is less than an average row "
            f"of {likely.mean:,.0f} tokens, "
            "and may hold none of its rows."
        )
    return replace(
        arm,
        warmup_steps=rates.warmup,
        learning_rate=rates.peak,
        rate_origin=settings.rate_origin,
        rate_sum=rates.rate_sum,
        shortest_row=min(likely.lengths, default=0),
        warnings=tuple(warnings),
    )


def _weighed(
    arm: PlannedArm,
    tokens_per_row: float,
    longest_row: int | None,
    settings: TrainSettings,
    size: ModelSize,
    hardware: Hardware,
) -> PlannedArm:
    """The arm with its start, memory and time on a model of that size."""
    if not hardware.machine.gpu and size.weights > estimate.ON_CPU:
        hardware = A_GPU
    machine = hardware.machine
    work = Work(arm.rows, tokens_per_row, longest_row, size)
    start = fit(settings, machine, work)
    found = estimate_training(
        work,
        settings,
        bytes_per_weight=2 if machine.gpu else 4,
        ranks=start.ranks,
        sharded=start.kind == "fsdp",
    )
    seconds = estimate.train_seconds(
        size, settings, arm.tokens, arm.steps, ranks=start.ranks, speed=hardware.speed
    )
    return replace(
        arm,
        memory_gib=round(found.memory / 2**30, 1),
        hours=round(seconds / 3600, 4),
        launch=start.kind,
        ranks=start.ranks,
        fits=start.fits,
        advice=start.advice,
    )


def stays_untouched(arm: PlannedArm, settings: TrainSettings) -> str | None:
    """Why training cannot change the arm's weights; None where it can, and for the base model."""
    if arm.learning_rate is None:
        return None
    if arm.rows and settings.budget_tokens is not None and settings.budget_tokens < arm.shortest_row:
        return (
            f"train.budget_tokens = {settings.budget_tokens:,} holds none of its rows, of which the "
            f"shortest has at least {arm.shortest_row:,} "
            "tokens, so nothing would be trained. Raise it, or lower train.max_length."
        )
    if arm.refusal:
        return arm.refusal
    rates = schedule(arm.steps, settings)
    return None if rates.moves else still(rates)
