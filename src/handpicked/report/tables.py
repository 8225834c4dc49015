"""The tables that the page and report.md share, beside those of ``selected_tables``."""

from __future__ import annotations

from handpicked.report.control import equal_text
from handpicked.report.headline import headline_first
from handpicked.report.table import Table, table
from handpicked.report.text import (
    compact,
    compact_percent,
    duration,
    number,
    percent,
    percent_interval,
    points,
    signed,
    signed_interval,
    value_of,
)
from handpicked.results.schema import ArmComparison, ArmSection, Results


def comparison_table(results: Results) -> Table:
    """Every comparison by every judge and on every test set, the headline's first."""
    soft = any(c.soft for c in results.comparisons)
    head = ["Comparison", "Judge", "Test set", "Win", "Tie", "Lose", "Strict", "95%", "Summed", "95%"]
    head += ["Soft", "95%", "Standard error"] if soft else []
    head += ["Equal length", "95%", "p (Holm)", "Prompts to decide", "n", "Missing"]
    rows = [_comparison(c, soft=soft) for c in headline_first(results)]
    return table("Comparisons", head, rows, 3)


def _comparison(c: ArmComparison, *, soft: bool) -> list[str]:
    counts, rate = c.strict.counts, c.soft.win_rate if c.soft else None
    error = c.soft.standard_error if c.soft else None
    return [
        f"{c.a} vs {c.b}",
        c.judge,
        c.test_set,
        *(str(count) for count in (counts.win, counts.tie, counts.lose)),
        percent(c.strict.win_rate.value),
        percent_interval(c.strict.win_rate),
        percent(c.summed.win_rate.value),
        percent_interval(c.summed.win_rate),
        *((points(value_of(rate)), percent_interval(rate), points(error)) if soft else ()),
        equal_text(c.length_controlled),
        percent_interval(c.length_controlled),
        number(c.holm, 3),
        number(c.power.needed),
        str(c.strict.win_rate.n),
        str(c.strict.win_rate.missing),
    ]


def size_table(results: Results) -> Table:
    """Every size of every curve."""
    rows = [
        [
            point.arm,
            measure.name,
            number(point.rows),
            number(point.value.value, 3),
            f"{number(point.value.low, 3)} to {number(point.value.high, 3)}",
            signed(point.to_best.value) if point.to_best else "best",
            signed_interval(point.to_best),
            "not shown to be worse" if point.enough else "worse",
            str(point.value.n),
        ]
        for curve in results.size_curves
        for measure in curve.measures
        for point in measure.points
    ]
    head = ["Arm", "Measure", "Rows", "Value", "95%", "To the best", "simultaneous 95%", "Enough", "n"]
    return table("Sizes", head, rows, 2)


def training_table(results: Results) -> Table:
    """What training changed in every arm, and what came of it; untouched models last."""
    head = ["Arm", "Steps", "Warm-up", "Peak learning rate", "Sum of rates", "Weights moved", "Of their norm"]
    head += ["Token accuracy", "In the last pass", "Answers finished"]
    trained = [arm for arm in results.arms if arm.training]
    untouched = [arm for arm in results.arms if not arm.training]
    rows = [_training(arm) for arm in (*trained, *untouched)] if trained else []
    return table("Training", head, rows, 1)


def _training(arm: ArmSection) -> list[str]:
    found = arm.training
    if found is None:
        return [arm.name, "untouched", *["–"] * 7, percent(arm.finished.value)]
    origin = f" ({found.rate_origin})" if found.rate_origin else ""
    return [
        arm.name,
        number(found.steps),
        number(found.warmup_steps),
        compact(found.learning_rate) + origin,
        compact(found.rate_sum),
        compact(found.weight_change),
        compact_percent(found.weight_change_relative),
        points(found.token_accuracy),
        points(found.token_accuracy_last_pass),
        percent(arm.finished.value),
    ]


def stage_table(results: Results) -> Table:
    """The time of every stage, and what was paid for it where anything was."""
    paid = any(stage.cost for stage in results.stages)
    rows = [
        [
            stage.name,
            stage.arm,
            duration(stage.seconds),
            *([f"${number(stage.cost, 2)}" if stage.cost else ""] if paid else []),
        ]
        for stage in results.stages
    ]
    return table("Time", ["Stage", "Of", "Time", *(["Cost"] if paid else [])], rows, 2)
