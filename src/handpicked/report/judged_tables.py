"""The tables of judgements without a run: what ``handpicked judge`` shows of two or more models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from handpicked.pages.table import Table, table
from handpicked.pages.text import number, percent_interval, points, points_interval, signed_interval
from handpicked.records import Estimate
from handpicked.report.control import control_note, control_rows, near_note
from handpicked.results.judgements import Figures, JudgeFigures, MeanGrade, ModelComparison, RuleFigures
from handpicked.results.sections.comparisons import ArmComparison, ControlledRate, RuleRate, SoftRate
from handpicked.statistics.power import Power

Rate = Estimate | ControlledRate


def comparisons(judge: JudgeFigures) -> Iterator[ArmComparison]:
    """Every pair of models, over all prompts and then by test set and category, as the report of a run
    has them.
    """
    for comparison in judge.comparisons:
        groups: dict[str, Figures | ModelComparison] = {"all": comparison}
        groups |= {f"test set {name}": found for name, found in comparison.test_sets.items()}
        groups |= {f"category {name}": found for name, found in comparison.categories.items()}
        for name, found in groups.items():
            holm = comparison.test.adjusted if name == "all" else None
            yield _comparison(judge.judge, comparison.a, comparison.b, name, found, holm, comparison.power)


def _comparison(
    judge: str, a: str, b: str, of: str, found: Figures | ModelComparison, holm: float | None, power: Power
) -> ArmComparison:
    style = found.style_controlled
    return ArmComparison(
        judge=judge,
        test_set=of,
        a=a,
        b=b,
        holm=holm,
        strict=RuleRate(found.strict.counts, found.strict.win_rate),
        summed=RuleRate(found.summed.counts, found.summed.win_rate),
        soft=found.soft,
        length_controlled=found.length_controlled.win_rate,
        style_controlled=None if style is None else style.win_rate,
        style_effects={} if style is None else style.effects,
        by_length=found.by_length,
        power=power,
    )


def health_table(judge: JudgeFigures) -> Table:
    """The habits of a judge, in percent of its pairs; with people's labels also how far it agrees with them."""
    health = judge.health
    shares = {
        "first position preferred": health.first_position,
        "contradicts itself": health.contradictions,
        "ties": health.ties,
        "longer answer preferred": health.longer,
        "not parsed": health.unparsed,
    }
    rows = [[name, *_rate(one)] for name, one in shares.items()]
    for group, found in judge.people.items():
        rows.append([f"agrees with people, {group}", *_rate(found.agreement)])
        kappa = found.kappa
        rows.append(
            [
                f"kappa with people, {group}",
                number(kappa.value, 2),
                signed_interval(kappa, 2),
                *_counted(kappa),
            ]
        )
    return table(f"Judge {judge.judge}", ["Habit", "%", "95%", "n", "Missing"], rows, 1)


def rules_table(comparison: ModelComparison) -> Table:
    """Outcomes and rates of two models under each rule."""
    rows = [
        _rule(name, found) for name, found in (("strict", comparison.strict), ("summed", comparison.summed))
    ]
    if comparison.soft is not None:
        rows.append(["soft", *[""] * 6, *_soft(comparison.soft)])
    head = [
        "Rule",
        "Win",
        "Tie",
        "Lose",
        "Not parsed",
        "Winning score",
        "Share won",
        "Win rate",
        "95%",
        "Standard error",
        "n",
    ]
    return table(
        f"{comparison.a} vs {comparison.b}, by rule (win rate: wins plus half the ties, in %)", head, rows, 1
    )


def _rule(name: str, found: RuleFigures) -> list[str]:
    counts = found.counts
    return [
        name,
        *map(str, (counts.win, counts.tie, counts.lose, counts.unparsed)),
        number(found.winning_score.value, 3),
        points(found.share_won.value),
        *_soft(SoftRate(found.win_rate, found.standard_error)),
    ]


def _soft(found: SoftRate) -> list[str]:
    rate = found.win_rate
    interval = points_interval(rate).replace("+", "")
    return [points(rate.value), interval, points(found.standard_error), str(rate.n)]


def held_equal_table(judge: JudgeFigures) -> Table:
    """The win rates with length and style held equal, over all prompts, by test set and by category."""
    rows = [
        [f"{one.a} vs {one.b}", one.test_set, label, points(rate.value), _interval(rate), str(rate.n)]
        for one, label, rate in _held_equal(judge)
    ]
    head = ["Comparison", "Prompts", "Win rate", "%", "95%", "n"]
    return table(f"Length and style, judge {judge.judge}", head, rows, 3)


def held_equal_notes(judge: JudgeFigures) -> list[str]:
    """What a reader must know besides these rates: how many pairs are near equal length, why a rate has no
    value, or what other forms of control say.
    """
    near = [note for one in comparisons(judge) if one.test_set == "all" and (note := near_note(one))]
    return near + [
        f"{label}{'' if one.test_set == 'all' else f' ({one.test_set})'}: {note}"
        for one, label, rate in _held_equal(judge)
        if (note := control_note(rate))
    ]


def _held_equal(judge: JudgeFigures) -> Iterator[tuple[ArmComparison, str, Rate]]:
    soft = {(m.a, m.b): m.length_controlled_soft for m in judge.comparisons}
    for one in comparisons(judge):
        yield from ((one, label, rate) for label, rate in control_rows(one))
        held = soft[one.a, one.b]
        if held is not None and one.test_set == "all":
            yield one, "soft, at equal length", held.win_rate


def grade_table(judge: str, grades: tuple[MeanGrade, ...]) -> Table:
    """The models by their mean grade, with the parts where there are several."""
    rows: list[list[str]] = []
    for grade in grades:
        named: Mapping[str, Estimate] = {
            grade.model: grade.grade,
            **{f"  {name}": one for name, one in grade.parts.items()},
        }
        rows += [
            [name, number(one.value, 3), _plain_interval(one), *_counted(one)] for name, one in named.items()
        ]
    return table(f"Mean grades by {judge}", ["Model", "Grade", "95%", "n", "Missing"], rows, 1)


def _rate(one: Estimate) -> list[str]:
    return [points(one.value), points_interval(one).replace("+", ""), *_counted(one)]


def _counted(one: Estimate) -> list[str]:
    return [number(one.n), number(one.missing) if one.missing else ""]


def _interval(rate: Rate) -> str:
    return points_interval(rate).replace("+", "") if rate.value is not None else percent_interval(None)


def _plain_interval(one: Estimate) -> str:
    return "–" if one.low is None or one.high is None else f"{number(one.low, 3)} to {number(one.high, 3)}"
