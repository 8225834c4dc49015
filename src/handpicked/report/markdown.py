"""``report.md``: the answer and its figures as plain tables, for a pull request or a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.report.control import control_note, control_rows, group_rows, near_note
from handpicked.report.headline import headline_comparisons
from handpicked.report.selected import scored_rows
from handpicked.report.selected_tables import selected_tables
from handpicked.report.table import markdown, plain, table
from handpicked.report.tables import comparison_table, size_table, stage_table, training_table
from handpicked.report.text import (
    number,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    signed_points,
    value_of,
)
from handpicked.results.schema import Results

Rows = Sequence[Sequence[str]]


def render_markdown(results: Results) -> str:
    """The short report of one run as Markdown."""
    parts = [f"# {plain(results.name)}"]
    if results.why:
        parts.append(f"*Asked:* {plain(results.why)}")
    parts += [f"**{plain(results.answer.headline)}**", plain(results.answer.sentence)]
    parts.append(plain(results.answer.by_loss))
    parts.append(f"*How sure:* {plain(results.answer.certainty)}")
    parts += [f"> **{plain(item.title)}.** {plain(item.text)}" for item in results.banners]
    parts += [
        markdown(comparison_table(results)),
        _control(results),
        _people(results),
        _sizes(results),
        _seeds(results),
        _arms(results),
        markdown(training_table(results)),
        _benchmarks(results),
        *map(markdown, selected_tables(results)),
    ]
    parts.append(markdown(stage_table(results)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _sizes(results: Results) -> str:
    """Every size, then what the curves say."""
    said = [plain(measure.sentence) for curve in results.size_curves for measure in curve.measures]
    return "\n\n".join([markdown(size_table(results)), *said]) if said else ""


def _seeds(results: Results) -> str:
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
    return _table(
        "Each seed by itself", ["Model", "Against", "Judge", "Win rate", "95%", "n"], rows, text_columns=3
    )


def _control(results: Results) -> str:
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
            plain(control_note(estimate)),
        ]
        for kind, name, c in [*everything, *group_rows(results, [c for _, _, c in everything])]
        for label, estimate in control_rows(c)
    ]
    head = ["Comparison", "Prompts", "Win rate", "", "95%", "n", "Note"]
    table = _table("Length and style", head, rows, text_columns=3)
    near = [f"{c.a} vs {c.b}: {said}." for _, _, c in everything if (said := near_note(c))]
    return "\n\n".join([table, *map(plain, near)]) if table else ""


def _people(results: Results) -> str:
    people = results.people
    if not people:
        return ""
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
    reasons = ", ".join(f"{tag} {n}" for tag, n in people.reasons.items() if n) or "none"
    left_out = f", {people.stale} left out because their answers have changed" if people.stale else ""
    said = (
        f"{people.votes} votes on {people.pairs} pairs by {len(people.annotators)} people"
        f"{left_out}. Reasons: {reasons}."
    )
    return "\n\n".join(
        part for part in (_table("People and judge", head, rows, text_columns=2), said) if part
    )


def _arms(results: Results) -> str:
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
        "To untouched",
        "95%",
        "Tokens an answer",
        "At the limit",
    ]
    said = [plain(sentence) for arm in results.arms if (sentence := scored_rows(arm))]
    return "\n\n".join([_table("Arms", head, rows, text_columns=2), *said])


def _benchmarks(results: Results) -> str:
    rows = [
        [
            row.benchmark,
            cell.arm,
            "broke off" if cell.failed else points(cell.score.value),
            points_interval(cell.score).replace("+", ""),
            signed_points(value_of(cell.to_base)),
            points_interval(cell.to_base),
            signed_points(value_of(cell.to_full)),
            points_interval(cell.to_full),
            number(value_of(cell.characters)),
            number(cell.score.n),
        ]
        for row in results.benchmarks
        for cell in row.arms
    ]
    head = ["Benchmark", "Arm", "Score", "95%", "To untouched", "95%", "To full", "95%", "Characters", "n"]
    return _table("Benchmarks", head, rows, text_columns=2)


def _table(title: str, head: Sequence[str], rows: Rows, text_columns: int) -> str:
    return markdown(table(title, head, rows, text_columns))
