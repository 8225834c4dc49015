"""The sections of results.json on pools, prompts, arms and the sizes of an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from handpicked.records import Estimate, SelectionSummary
from handpicked.results.facts import TrainingFacts
from handpicked.statistics.histogram import LengthSummary
from handpicked.statistics.size_curve import Point


@dataclass(frozen=True, slots=True)
class PoolSection:
    """A pool that arms select from; ``name`` is empty for the experiment's own. ``lengths`` are in
    ``measure``.
    """

    name: str
    source: str
    rows: int
    rejected: int
    held_out: int
    measure: str
    lengths: LengthSummary


@dataclass(frozen=True, slots=True)
class PromptSet:
    """A test set; two runs that share its ``digest`` share its prompts. ``references`` counts prompts that
    have one.
    """

    test_set: str
    prompts: int
    references: int
    digest: str


@dataclass(frozen=True, slots=True)
class RefinedRows:
    """What rewriting made of the responses of a subset: ``left_out`` counts rows without a usable one, by
    reason.
    """

    rows: int
    rewritten: int
    unchanged: int
    left_out: Mapping[str, int]
    cost: float | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class ArmSection:
    """One arm: its subset, its training, its loss on the references, its answers. Several seeds are pooled.

    ``by`` is the selector (``none``: the base model); ``seeds`` names the models of an arm that has several.
    Losses are nats per response token; ``loss_above_base`` and ``loss_above_candidate`` are differences to
    the base model and to the candidate on the same prompts. Answers are counted in the model's tokens;
    ``finished`` and ``unfinished`` are the shares that ended on their own and that stopped at the token
    limit.
    """

    name: str
    by: str
    family: str
    base: str
    pool: str
    seeds: tuple[str, ...]
    rows: int
    settings: Mapping[str, JsonValue]
    selection: SelectionSummary | None
    refined: RefinedRows | None
    lengths: LengthSummary
    training: TrainingFacts | None
    loss: Estimate | None
    loss_above_base: Estimate | None
    loss_above_candidate: Estimate | None
    answer_lengths: LengthSummary
    answer_tokens: Estimate
    finished: Estimate
    unfinished: Estimate
    empty: int


@dataclass(frozen=True, slots=True)
class SeedSection:
    """One seed of an arm that has several."""

    arm: str
    name: str
    rows: int
    training: TrainingFacts | None
    loss: Estimate | None
    answer_tokens: Estimate
    finished: Estimate
    unfinished: Estimate
    empty: int


@dataclass(frozen=True, slots=True)
class SizeMeasure:
    """One measure over the sizes of a family: see ``statistics.size_curve.Curve``."""

    name: str
    better: Literal["high", "low"]
    sentence: str
    points: tuple[Point, ...]
    best: str
    smallest: str
    deficit: float


@dataclass(frozen=True, slots=True)
class SizeCurve:
    """The sizes of one family on one base model."""

    family: str
    base: str
    measures: tuple[SizeMeasure, ...]
