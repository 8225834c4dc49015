"""The tables of a report that only its page has: figures with charts, drawn beside the numbers they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from handpicked.pages import charts
from handpicked.pages.table import Cell, Column, Table, aside, bold, figure, unseen
from handpicked.pages.text import (
    duration,
    number,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    value_of,
    visible,
)
from handpicked.records import Estimate
from handpicked.report.arm_names import arm_name
from handpicked.report.control import Rate, control_note, control_rows
from handpicked.report.headline import headline_comparisons
from handpicked.report.selected import SelectedView, words
from handpicked.results.schema import Results
from handpicked.results.sections.comparisons import ArmComparison, Ranking
from handpicked.results.sections.people import People
from handpicked.statistics.health import Health
from handpicked.statistics.preference import StylePreference

Axis = tuple[float, float]
SHARES = charts.axis(0, 1, [(0, "0%"), (0.5, "50%"), (1, "100%")])
INTERVAL = Column("95%", label="95%")
COUNT = Column("n", label="n")
WIN_RATE = Column("Win rate", label="win rate")


def _text(head: str) -> Column:
    return Column(head, number=False)


def _chart(head: str, axis: Markup | None = None, style: str = "chart") -> Column:
    return Column(head, number=False, chart=style, axis=axis)


def _below(name: str, remark: str) -> Markup:
    return Markup("{}<br>{}").format(visible(name), aside(remark))


def _strong(text: str) -> Cell:
    return Cell(text, strong=True)


def rate_figure(head: str, met: Iterable[tuple[Markup, ArmComparison]]) -> Table:
    """Comparisons under names: outcomes, and the win rate as judged with that at equal length beside it."""
    columns = (
        *(_text(head), _chart("Win, tie, lose", style="chart bar"), _chart("Win rate, 95% interval", SHARES)),
        *(WIN_RATE, INTERVAL, COUNT),
    )
    return figure(columns, [[Cell("", drawn=name), *_outcome(c)] for name, c in met])


def _outcome(c: ArmComparison) -> list[Cell]:
    counts, rate = c.strict.counts, c.strict.win_rate
    said = unseen(f"{counts.win} wins, {counts.tie} ties, {counts.lose} losses")
    return [
        Cell("", drawn=said + charts.outcome_bar(counts)),
        Cell("", drawn=charts.interval(rate, 0, 1, 0.5, c.length_controlled)),
        _strong(percent(rate.value)),
        Cell(percent_interval(rate)),
        Cell(str(rate.n), f"({rate.missing} not parsed)" if rate.missing else ""),
    ]


def comparison_figure(results: Results) -> Table:
    """The candidates against each rival."""
    return rate_figure("Rival", [(_rival(c, results), c) for c in headline_comparisons(results)])


def _rival(c: ArmComparison, results: Results) -> Markup:
    name = arm_name(c.b, results)
    return aside(f"{c.a} against") + " " + name if len(results.candidates) > 1 else name


def pair_figure(comparisons: Iterable[ArmComparison]) -> Table:
    """Models of a judge without a run against each other."""
    return rate_figure(
        "Models", [(bold(c.a) + " " + aside("against") + " " + bold(c.b), c) for c in comparisons]
    )


def run_figure(rates: Mapping[str, Sequence[tuple[str, ArmComparison]]]) -> Table:
    """The win rate of each run against each rival."""
    columns = (
        *(_text("Against"), _text("Run"), _chart("Win rate, 95% interval", SHARES)),
        *(Column("Win rate"), INTERVAL, COUNT),
    )
    rows = [
        [
            Cell("", drawn=unseen(rival) if place else bold(rival)),
            Cell(label),
            *_rate(c.strict.win_rate, strong=True),
        ]
        for rival, met in rates.items()
        for place, (label, c) in enumerate(met)
    ]
    return figure(columns, rows)


def _rate(rate: Rate, *, strong: bool, good: str = "high") -> list[Cell]:
    return [
        Cell("", drawn=charts.interval(rate, 0, 1, 0.5, None, good)),
        Cell(percent(rate.value), strong=strong),
        Cell(percent_interval(rate)),
        Cell(str(rate.n)),
    ]


def control_figure(results: Results) -> Table:
    """The win rates with length and style held equal, of each comparison."""
    columns = (
        *(_text("Rival"), _text("Win rate"), _chart("95% interval", SHARES)),
        *(WIN_RATE, INTERVAL, COUNT),
    )
    rows = [
        [
            Cell("", drawn=unseen(c.b) if place else _rival(c, results)),
            Cell(label, control_note(rate)),
            *_rate(rate, strong=True),
        ]
        for c in headline_comparisons(results)
        for place, (label, rate) in enumerate(control_rows(c))
    ]
    return figure(columns, rows)


def seed_figure(rates: Sequence[ArmComparison]) -> Table:
    """The win rate of each seed below that of all of them."""
    columns = (_text("Seed"), _chart("Win rate, 95% interval", SHARES), WIN_RATE, INTERVAL, COUNT)
    return figure(columns, [row for c in rates for row in _seeds(c)])


def _seeds(c: ArmComparison) -> Iterator[list[Cell]]:
    name = bold(f"{c.a} vs {c.b}") + " " + aside(f"{len(c.seeds)} seeds")
    yield [
        Cell("", drawn=name),
        *_rate(c.strict.win_rate, strong=True)[:3],
        Cell(number(c.strict.win_rate.n)),
    ]
    for one in c.seeds:
        cells = _rate(one.win_rate, strong=False, good="none")[:3]
        yield [Cell(f"{one.a} vs {one.b}"), *cells, Cell(number(one.win_rate.n))]


def ranking_figure(ranking: Ranking, axis: Axis, results: Results) -> Table:
    """The strength of every arm."""
    ends = charts.axis(*axis, [(axis[0], "weaker"), (0, "average"), (axis[1], "stronger")])
    columns = (
        *(_text("Arm"), _chart("Strength, 95% interval", ends)),
        *(Column("Strength", label="strength"), INTERVAL, COUNT),
    )
    rows = [
        [
            Cell("", drawn=arm_name(row.arm, results)),
            Cell("", drawn=charts.interval(row.strength, *axis, 0)),
            _strong(signed(row.strength.value, 2)),
            Cell(signed_interval(row.strength, 2)),
            Cell(number(row.strength.n)),
        ]
        for row in ranking.arms
    ]
    return figure(columns, rows, _candidates([row.arm for row in ranking.arms], results))


def _candidates(names: Sequence[str], results: Results) -> set[int]:
    return {place for place, name in enumerate(names) if name in results.candidates}


def loss_figure(results: Results, axis: Axis, mine: str) -> Table:
    """Each arm's loss on the references, and how far it lies above that of the candidate ``mine``."""
    ends = charts.axis(*axis, [(axis[0], f"{mine} worse"), (0, "0"), (axis[1], f"{mine} better")])
    columns = (
        *(_text("Arm"), _chart(f"Loss above {mine}'s, 95% interval", ends), Column("Loss", label="loss")),
        *(Column(f"Above {mine}'s", label=f"above {mine}'s"), INTERVAL, COUNT),
    )
    arms = [(arm, arm.loss, arm.loss_above_candidate) for arm in results.arms if arm.loss]
    rows = [
        [
            Cell("", drawn=arm_name(arm.name, results)),
            Cell("", drawn=charts.interval(above, *axis, 0)),
            _strong(number(loss.value, 3)),
            Cell(signed(above.value) if above else ""),
            Cell(signed_interval(above) if above else ""),
            Cell(str(loss.n), f"({loss.missing} missing)" if loss.missing else ""),
        ]
        for arm, loss, above in arms
    ]
    return figure(columns, rows, _candidates([arm.name for arm, _, _ in arms], results))


def answer_figure(results: Results) -> Table:
    """The lengths of each arm's answers."""
    answered = [(arm, at) for arm in results.arms if (at := arm.answer_lengths.quantiles)]
    most = max(at["p95"] for _, at in answered)
    columns = (
        *(_text("Arm"), _chart("Tokens", charts.axis(0, most, [(0, "0"), (most, number(most))]))),
        *(Column("Median", label="median"), Column("Mean", label="mean"), INTERVAL),
        *(Column("At the limit", label="at the limit"), Column("Empty", label="empty"), COUNT),
    )
    rows = [
        [
            Cell("", drawn=arm_name(arm.name, results)),
            Cell("", drawn=charts.quantile_strip(at, most)),
            _strong(number(at["p50"])),
            Cell(number(arm.answer_tokens.value)),
            Cell(f"{number(arm.answer_tokens.low)} to {number(arm.answer_tokens.high)}"),
            Cell(percent(arm.unfinished.value)),
            Cell(str(arm.empty)),
            Cell(str(arm.answer_lengths.n)),
        ]
        for arm, at in answered
    ]
    return figure(columns, rows, _candidates([arm.name for arm, _ in answered], results))


def difference_figure(results: Results, view: SelectedView) -> Table:
    """The candidate's subset against the pool, feature by feature."""
    axis = view.difference_axis
    columns = (
        _text("Feature of the response"),
        _chart("Difference, 95% interval", _signed_axis(axis)),
        *(Column("Difference"), INTERVAL, COUNT),
    )
    found = [(row.feature, row.arms[results.candidate]) for row in view.differences]
    return figure(columns, [[Cell(words(name)), *_effect(one, axis), _n(one)] for name, one in found])


def _signed_axis(axis: Axis) -> Markup:
    return charts.axis(*axis, [(axis[0], signed(axis[0], 1)), (0, "0"), (axis[1], signed(axis[1], 1))])


def _effect(one: Estimate, axis: Axis) -> list[Cell]:
    return [
        Cell("", drawn=charts.interval(one, *axis, 0, None, "none")),
        _strong(signed(one.value, 2)),
        Cell(signed_interval(one, 2)),
    ]


def _n(one: Estimate) -> Cell:
    return Cell(number(one.n))


def preference_figure(found: StylePreference, view: SelectedView) -> Table:
    """The effect of each feature on being preferred; those that are shown to have one are set apart."""
    axis, together = view.effect_axis, found.together or {}
    columns = (
        *(_text("Feature of the answer"), _chart("Log-odds, 95% interval", _signed_axis(axis))),
        *(Column("Log-odds"), INTERVAL, Column("p (Holm)", label="p (Holm)")),
        *(Column("All in one", label="all in one"), COUNT),
    )
    shown = {place for place, row in enumerate(view.effects) if row.holm is not None and row.holm < 0.05}
    rows = [
        [
            Cell(words(row.feature), drawn=bold(words(row.feature)) if place in shown else None),
            *_effect(row.effect, axis),
            Cell(p_value(row.holm)),
            Cell(signed(value_of(together.get(row.feature)), 2)),
            _n(row.effect),
        ]
        for place, row in enumerate(view.effects)
    ]
    return figure(columns, rows, shown)


def habit_figure(judge: Health) -> Table:
    """The habits of a judge as shares."""
    habits = (
        ("Prefers the first answer", judge.first_position, "of the reviews that name a winner; 50% is fair"),
        (
            "Contradicts itself when swapped",
            judge.contradictions_decided,
            "of the pairs decided in both orders; a coin has 50%",
        ),
        ("Prefers the longer answer", judge.longer, "of the pairs with a winner"),
        ("Calls a tie", judge.ties, "of the reviews that could be read"),
        ("Cannot be read", judge.unparsed, "of all reviews"),
    )
    columns = (_text("Habit"), _chart("Share", SHARES), Column("Share"), INTERVAL, COUNT)
    rows = [
        [
            Cell("", drawn=_below(name, meaning)),
            *_rate(share, strong=True, good="none")[:3],
            _n(share),
        ]
        for name, share, meaning in habits
    ]
    return figure(columns, rows)


def people_figure(people: People) -> Table:
    """The agreement of every two raters."""
    axis = (-0.5, 1.0)
    ends = charts.axis(*axis, [(-0.5, "−0.5"), (0, "chance"), (1, "perfect")])
    columns = (
        *(_text("Between"), _chart("Kappa, 95% interval", ends), Column("Kappa", label="kappa"), INTERVAL),
        *(Column("Same verdict", label="same"), INTERVAL, COUNT),
    )
    rows = [
        [
            Cell("", drawn=_below(pair.one, f"and {pair.other}")),
            Cell("", drawn=charts.interval(pair.kappa, *axis, 0)),
            _strong(number(pair.kappa.value, 2)),
            Cell(signed_interval(pair.kappa, 2)),
            Cell(percent(pair.agreement.value)),
            Cell(percent_interval(pair.agreement)),
            Cell(str(pair.agreement.n)),
        ]
        for pair in people.agreement
    ]
    return figure(columns, rows)


def time_figure(seconds: Mapping[str, float]) -> Table:
    """The seconds of each stage over all arms."""
    most = max(seconds.values())
    columns = (_text("Stage"), _chart("Time, all arms together"), Column("Time", label="time"))
    rows = [
        [Cell("", drawn=bold(name)), Cell("", drawn=charts.share_bar(one, most)), Cell(duration(one))]
        for name, one in seconds.items()
    ]
    return figure(columns, rows)


@dataclass(frozen=True)
class Score:
    """One benchmark of a model. ``setup`` says how: shots, chat. ``reason`` is why it has no score, or what
    to know of it.
    """

    benchmark: str
    metric: str
    setup: str
    score: Estimate
    failed: bool
    reason: str
    notes: tuple[str, ...]

    @property
    def remark(self) -> str:
        """Everything that is shown next to its name."""
        metric = f"{self.metric}, " if self.metric else ""
        return "; ".join([f"{metric}{self.setup}", *self.notes, *([self.reason] if self.reason else [])])


def score_figure(scores: Sequence[Score]) -> Table:
    """A model's score on each benchmark."""
    points_axis = charts.axis(0, 1, [(0, "0"), (0.5, "50"), (1, "100")])
    columns = (_text("Benchmark"), _chart("", points_axis), Column("Score", label="score"), INTERVAL, COUNT)
    rows = [
        [
            Cell("", drawn=bold(one.benchmark) + Markup("<br>") + aside(one.remark)),
            Cell("", drawn=charts.interval(one.score, 0, 1, 0, None, "none")),
            _strong("failed" if one.failed else points(one.score.value)),
            Cell(points_interval(one.score).replace("+", "")),
            Cell(number(one.score.n)),
        ]
        for one in scores
    ]
    return figure(columns, rows)
