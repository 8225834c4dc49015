"""The contents of judgements.json: what a set of verdicts says, by judge and by pair of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handpicked.records import Estimate, Pair, Verdict
from handpicked.results.controlled import controlled_rate
from handpicked.results.sections.comparisons import ControlledRate, SoftRate
from handpicked.results.sections.people import People
from handpicked.statistics.agreement import Agreement
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.compare import Comparison, compare
from handpicked.statistics.health import Health, health
from handpicked.statistics.length_control import Controlled, by_length, length_controlled, style_controlled
from handpicked.statistics.power import Power, power
from handpicked.statistics.win_rate import (
    Counts,
    Rule,
    adjusted_win_rate,
    by_group,
    counts,
    has_probabilities,
    share_won,
    standard_error,
    winning_score,
    worth,
)


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """Outcomes and rates under one rule; each function of ``statistics.win_rate`` cites its source."""

    counts: Counts
    winning_score: Estimate
    share_won: Estimate
    win_rate: Estimate
    standard_error: float | None


@dataclass(frozen=True, slots=True)
class HeldEqual:
    """The win rate at equal length (and style), and the effect of each term."""

    win_rate: ControlledRate
    effects: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Figures:
    """A set of verdicts on two models, from the side of ``a``.

    ``soft`` is of the judge's probabilities, ``None`` where it gives none; ``style_controlled`` is ``None``
    where the answers are not known.
    """

    strict: RuleFigures
    summed: RuleFigures
    soft: SoftRate | None
    length_controlled: HeldEqual
    length_controlled_soft: HeldEqual | None
    style_controlled: HeldEqual | None
    by_length: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Two models: ``Figures`` over all prompts, by test set and by category, power and test."""

    a: str
    b: str
    strict: RuleFigures
    summed: RuleFigures
    soft: SoftRate | None
    length_controlled: HeldEqual
    length_controlled_soft: HeldEqual | None
    style_controlled: HeldEqual | None
    by_length: Mapping[str, Estimate]
    test_sets: Mapping[str, Figures]
    categories: Mapping[str, Figures]
    power: Power
    test: Comparison


@dataclass(frozen=True, slots=True)
class JudgeFigures:
    """One judge: its health, every pair of models, and a ranking where there are three or more.

    ``people`` is how far it agrees with people's labels, over all and by group, where there are labels.
    """

    judge: str
    health: Health
    comparisons: tuple[ModelComparison, ...]
    ranking: Mapping[str, Estimate] | None
    people: Mapping[str, Agreement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeanGrade:
    """A model's mean grade; ``parts`` are the means of each turn or skill, where there are several."""

    model: str
    grade: Estimate
    parts: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Judgements:
    """What ``handpicked judge`` found. ``grades`` are by judge, highest first; ``people`` what votes cast on
    the pairs say.
    """

    pairs: int
    judges: tuple[JudgeFigures, ...]
    grades: Mapping[str, tuple[MeanGrade, ...]] = field(default_factory=dict)
    people: People | None = None


def judgements(verdicts: Sequence[Verdict], pairs: Sequence[Pair] = ()) -> tuple[JudgeFigures, ...]:
    """One entry a judge. ``pairs`` are the answers that were judged, where they are known: without them style
    cannot be controlled.
    """
    return tuple(
        _judge(name, [v for v in verdicts if v.judge == name], pairs)
        for name in sorted({v.judge for v in verdicts})
    )


def _judge(name: str, verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> JudgeFigures:
    met = sorted({(v.a, v.b) for v in verdicts})
    models = {model for pair in met for model in pair}
    tests = {(test.a, test.b): test for test in compare(verdicts)}
    together = max(1, sum(test.p_value is not None for test in tests.values()))
    comparisons = tuple(
        _compared(
            tests[a, b],
            together,
            [v for v in verdicts if (v.a, v.b) == (a, b)],
            [p for p in pairs if (p.a, p.b) == (a, b)],
        )
        for a, b in met
    )
    return JudgeFigures(
        name, health(verdicts), comparisons, bradley_terry(verdicts) if len(models) > 2 else None
    )


def _compared(
    test: Comparison, together: int, verdicts: Sequence[Verdict], pairs: Sequence[Pair]
) -> ModelComparison:
    """``together`` comparisons were made at once."""
    found = _figures(verdicts, pairs)
    return ModelComparison(
        a=test.a,
        b=test.b,
        strict=found.strict,
        summed=found.summed,
        soft=found.soft,
        length_controlled=found.length_controlled,
        length_controlled_soft=found.length_controlled_soft,
        style_controlled=found.style_controlled,
        by_length=found.by_length,
        test_sets=_groups(by_group(verdicts, "test_set"), pairs),
        categories=_groups(by_group(verdicts, "category"), pairs),
        power=power(verdicts, comparisons=together, corrected=test.adjusted),
        test=test,
    )


def _groups(groups: Mapping[str, Sequence[Verdict]], pairs: Sequence[Pair]) -> dict[str, Figures]:
    return {name: _figures(groups[name], pairs) for name in sorted(groups)} if len(groups) > 1 else {}


def _figures(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Figures:
    graded = _graded(verdicts)
    return Figures(
        strict=_rule(verdicts, "strict"),
        summed=_rule(verdicts, "summed"),
        soft=_soft(verdicts) if has_probabilities(verdicts) else None,
        length_controlled=_held_equal(length_controlled(verdicts)),
        length_controlled_soft=_held_equal(length_controlled(verdicts, "soft")) if graded else None,
        style_controlled=_held_equal(style_controlled(verdicts, pairs)) if pairs else None,
        by_length=by_length(verdicts),
    )


def _graded(verdicts: Sequence[Verdict]) -> bool:
    """Whether every verdict that was read has a probability, and not all of them are 0, a half or 1."""
    values = {worth(v, "soft") for v in verdicts if v.strict != "unparsed"}
    return bool(values) and None not in values and not values <= {0.0, 0.5, 1.0}


def _held_equal(found: Controlled) -> HeldEqual:
    return HeldEqual(controlled_rate(found), found.effects)


def _rule(verdicts: Sequence[Verdict], rule: Rule) -> RuleFigures:
    return RuleFigures(
        counts=counts(verdicts, rule),
        winning_score=winning_score(verdicts, rule),
        share_won=share_won(verdicts, rule),
        win_rate=adjusted_win_rate(verdicts, rule),
        standard_error=standard_error(verdicts, rule),
    )


def _soft(verdicts: Sequence[Verdict]) -> SoftRate:
    return SoftRate(adjusted_win_rate(verdicts, "soft"), standard_error(verdicts, "soft"))
