"""The sections of results.json on pairs of arms by a judge, and on the order of all arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from handpicked.records import Estimate
from handpicked.statistics.equal_length import NearEqual
from handpicked.statistics.power import Power
from handpicked.statistics.win_rate import Counts


@dataclass(frozen=True, slots=True)
class RuleRate:
    """Outcomes and win rate under one rule."""

    counts: Counts
    win_rate: Estimate


@dataclass(frozen=True, slots=True)
class SoftRate:
    """The win rate of a judge's probabilities, and its standard error (``None``: several seeds)."""

    win_rate: Estimate
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class SeedRate:
    """The win rate of two models, as seeds of their arms."""

    a: str
    b: str
    win_rate: Estimate


@dataclass(frozen=True, slots=True)
class ControlledRate:
    """A win rate at equal length (and style): an Estimate without a value where it is not estimable.

    ``reason`` says why there is no value, or why it decides nothing (``both_sides``: forms of control fall on
    both sides of 50%); else it is ``None``. ``forms`` has the rate by each form of the length term and
    ``range`` their ends; ``effects`` are log-odds per standard deviation of each term.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    method: str
    reason: str | None
    forms: Mapping[str, float]
    range: tuple[float, float] | None
    both_sides: bool
    effects: Mapping[str, Estimate]
    near_equal: NearEqual


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """Two arms by one judge, from the side of ``a``; all seeds together.

    ``test_set`` is ``all`` or the name of one. ``holm`` is the p-value of the sign test that neither arm is
    better, corrected for all comparisons of the candidates by that judge; ``None`` where nothing was tested.
    ``seeds`` has every pair of models, where there are several; ``categories`` the same figures by
    category, where prompts have several.
    """

    judge: str
    test_set: str
    a: str
    b: str
    holm: float | None
    strict: RuleRate
    summed: RuleRate
    seeds: tuple[SeedRate, ...] = ()
    soft: SoftRate | None
    length_controlled: ControlledRate
    style_controlled: ControlledRate | None
    style_effects: Mapping[str, Estimate]
    by_length: Mapping[str, Estimate]
    power: Power
    categories: Mapping[str, ArmComparison] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankedArm:
    """An arm's Bradley-Terry strength, natural-log units around the average."""

    arm: str
    strength: Estimate


@dataclass(frozen=True, slots=True)
class Ranking:
    """All arms of a base model by one judge, strongest first."""

    base: str
    judge: str
    arms: tuple[RankedArm, ...]
