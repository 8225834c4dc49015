"""The tables of a report, besides those of ``selected_tables``."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.pages.table import Table, table
from handpicked.pages.text import (
    compact,
    compact_percent,
    duration,
    number,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    signed_points,
    value_of,
)
from handpicked.report.control import control_note, control_rows, equal_text, group_rows
from handpicked.report.headline import headline_comparisons, headline_first
from handpicked.results.schema import Results
from handpicked.results.sections.arms import ArmSection
from handpicked.results.sections.benchmarks import BenchmarkRow
from handpicked.results.sections.comparisons import ArmComparison
from handpicked.results.sections.people import People


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
        p_value(c.holm, counts.win + counts.lose),
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
    """What training changed in every arm, and its results; base models last."""
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


def left_out(results: Results) -> list[str]:
    """Which rows and turns of each arm were not trained on because of the chat template, a sentence each."""
    lines = []
    for arm in results.arms:
        if arm.training and arm.training.rows_refused:
            rows = number(arm.training.rows_refused)
            lines.append(
                f"{arm.name}: {rows} rows of the subset were left out, because "
                "the chat template refuses them."
            )
        if arm.training and arm.training.turns_unlearned:
            turns = number(arm.training.turns_unlearned)
            lines.append(
                f"{arm.name}: {turns} earlier turns were not learned: the chat template shows "
                "them differently from inference."
            )
    return lines


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


def control_table(results: Results) -> Table:
    """The win rates with length and style held equal, over all prompts and by group."""
    everything = [("", "all", c) for c in headline_comparisons(results)]
    rows = [
        [
            f"{c.a} vs {c.b}",
            f"{kind} {name}".strip(),
            label,
            percent(estimate.value),
            percent_interval(estimate),
            str(estimate.n),
            control_note(estimate),
        ]
        for kind, name, c in [*everything, *group_rows(results, [c for _, _, c in everything])]
        for label, estimate in control_rows(c)
    ]
    head = ["Comparison", "Prompts", "Length", "Win rate", "95%", "n", "Note"]
    return table("Length and style", head, rows, text_columns=3)


def seed_table(results: Results) -> Table:
    """The win rate of each seed."""
    rows = [
        [
            one.a,
            one.b,
            c.judge,
            percent(one.win_rate.value),
            percent_interval(one.win_rate),
            str(one.win_rate.n),
        ]
        for c in results.comparisons
        if c.test_set == "all"
        for one in c.seeds
    ]
    return table("Each seed", ["Model", "Against", "Judge", "Win rate", "95%", "n"], rows, text_columns=3)


def outcome_table(people: People) -> Table:
    """The outcomes by people and by judges on the same pairs, for every two arms."""
    rows = [
        [f"{found.a} vs {found.b}", name, str(n.win), str(n.tie), str(n.lose), str(n.unparsed)]
        for found in people.comparisons
        for name, n in {"people": found.people, **found.judges}.items()
    ]
    return table("Votes", ["Comparison", "Of", "Win", "Tie", "Lose", "Not parsed"], rows, text_columns=2)


def people_table(people: People) -> Table:
    """The agreement of every two raters."""
    rows = [
        [
            pair.one,
            pair.other,
            number(pair.kappa.value, 2),
            signed_interval(pair.kappa, 2),
            percent(pair.agreement.value),
            str(pair.agreement.n),
        ]
        for pair in people.agreement
    ]
    head = ["One", "Other", "Kappa", "95%", "Same verdict", "n"]
    return table("People and judge", head, rows, text_columns=2)


def arm_table(results: Results) -> Table:
    """Every arm's subset, loss and answers."""
    rows = [
        [
            arm.name,
            arm.by,
            number(arm.rows),
            number(arm.lengths.median),
            number(arm.training.tokens if arm.training else None),
            number(value_of(arm.loss), 3),
            signed(value_of(arm.loss_above_base)),
            signed_interval(arm.loss_above_base),
            number(arm.answer_tokens.value),
            percent(arm.unfinished.value),
        ]
        for arm in results.arms
    ]
    head = [
        "Arm",
        "By",
        "Rows",
        "Median length",
        "Training tokens",
        "Loss",
        "To base",
        "95%",
        "Tokens an answer",
        "At the limit",
    ]
    return table("Arms", head, rows, text_columns=2)


def benchmark_table(results: Results) -> Table:
    """Every arm on every benchmark, points of 100."""
    return benchmark_rows_table(results.benchmarks)


def benchmark_rows_table(benchmarks: Sequence[BenchmarkRow]) -> Table:
    """The same of benchmarks without a run."""
    rows = [
        [
            row.benchmark,
            cell.arm,
            "failed" if cell.failed else points(cell.score.value),
            points_interval(cell.score).replace("+", ""),
            signed_points(value_of(cell.to_base)),
            points_interval(cell.to_base),
            signed_points(value_of(cell.to_full)),
            points_interval(cell.to_full),
            number(value_of(cell.characters)),
            number(cell.score.n),
        ]
        for row in benchmarks
        for cell in row.arms
    ]
    head = ["Benchmark", "Arm", "Score", "95%", "To base", "95%", "To full", "95%", "Characters", "n"]
    return table("Benchmarks", head, rows, text_columns=2)
