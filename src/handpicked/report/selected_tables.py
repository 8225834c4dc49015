"""The tables of the sections on the selected rows and on style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from handpicked.pages.table import Cell, Table, table
from handpicked.pages.text import (
    number,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
    signed,
    signed_interval,
    signed_points,
)
from handpicked.report.selected import words
from handpicked.results.schema import Results
from handpicked.results.sections.benchmarks import BenchmarkTypes
from handpicked.results.sections.selected import SelectionAudit
from handpicked.statistics.preference import StylePreference
from handpicked.statistics.verb_noun import PromptType, VerbTable


def selected_tables(results: Results) -> Iterator[Table]:
    """Instruction types, win rate and benchmarks by type, differences from the pool, correlations
    with length, overlap, style.
    """
    instructions, audit, preference = results.instructions, results.audit, results.preference
    if instructions and instructions.sets:
        yield _verbs(instructions.sets)
    if instructions and instructions.by_type:
        yield by_type_table(instructions.by_type)
    if instructions and instructions.on_benchmarks:
        yield _on_benchmarks(instructions.on_benchmarks)
    if audit:
        yield difference_table(audit)
        yield correlation_table(audit)
        yield overlap_table(audit)
    if preference:
        yield _preference(preference)


def _verbs(sets: Sequence[VerbTable]) -> Table:
    rows = [
        [
            one.name,
            verb.verb,
            percent(verb.share.value),
            percent_interval(verb.share),
            number(verb.n),
            ", ".join(f"{noun.noun} {noun.n}" for noun in verb.nouns),
        ]
        for one in sets
        for verb in one.verbs
    ]
    rows += [
        [one.name, f"no root verb: {why}", percent(count / one.n), "", number(count), ""]
        for one in sets
        for why, count in one.none.items()
    ]
    head = ["Set", "Root verb", "Share", "95%", "n", "Most common objects"]
    return table("Instruction types", head, rows, 2)


def by_type_table(types: Sequence[PromptType]) -> Table:
    """The candidate by type of prompt: its win rate against each rival, and its loss to the base model's."""
    rivals = list(types[0].win_rates)
    rows = [
        [
            row.type,
            number(row.prompts),
            *(
                Cell(percent(rate.value), f"{percent_interval(rate)}, n {rate.n}")
                for rate in row.win_rates.values()
            ),
            Cell(signed(row.loss.value), f"{signed_interval(row.loss)}, n {row.loss.n}") if row.loss else "–",
        ]
        for row in types
    ]
    head = ["Root verb of the prompt", "Prompts", *(f"vs {rival}" for rival in rivals), "Loss to base"]
    title = "Win rate and loss by instruction type (not corrected for the number of types)"
    return table(title, head, rows, 1)


def _on_benchmarks(found: BenchmarkTypes) -> Table:
    rows = [
        [
            row.type,
            ", ".join(f"{name} {n}" for name, n in row.benchmarks.items()),
            number(row.documents),
            *(
                f"{signed_points(change.value)} ({points_interval(change)}, n {change.n})" if change else "–"
                for change in (row.to_base, row.to_full)
            ),
        ]
        for row in (found.overall, *found.rows)
    ]
    rows += [[f"left out: {name}", why, "", "", ""] for name, why in found.left_out.items()]
    head = ["Root verb of the question", "Documents of", "Documents", "To base", "To full"]
    title = "Benchmark change by instruction type (points of 100, not corrected for the number of types)"
    return table(title, head, rows, 2)


def difference_table(audit: SelectionAudit) -> Table:
    """How far every subset lies from the pool in every feature."""
    arms = list(audit.differences[0].arms) if audit.differences else []
    rows: list[list[str | Cell]] = [
        [
            words(row.feature),
            *(Cell(signed(d.value, 2), signed_interval(d, 2)) for d in (row.arms[arm] for arm in arms)),
        ]
        for row in audit.differences
    ]
    return table("Subsets against the pool, in standard deviations of the pool", ["Feature", *arms], rows, 1)


def correlation_table(audit: SelectionAudit) -> Table:
    """Every score against the length."""
    rows = [
        [
            words(row.score),
            signed(row.spearman.value, 2),
            signed_interval(row.spearman, 2),
            number(row.spearman.n),
            number(row.spearman.missing),
        ]
        for row in audit.correlations
    ]
    title = "Rank correlation of every score with length"
    return table(title, ["Score", "With length", "95%", "n", "Missing"], rows, 1)


def overlap_table(audit: SelectionAudit) -> Table:
    """How far every two subsets hold the same rows."""
    rows = [
        [
            f"{row.a} and {row.b}",
            number(row.both),
            number(row.n),
            percent(row.overlap),
            percent(row.by_chance),
            number(row.jaccard, 3),
        ]
        for row in audit.overlap
    ]
    head = ["Subsets", "In both", "N, the smaller", "Overlap at N", "By chance", "Jaccard"]
    return table("Overlap of the subsets", head, rows, 1)


def _preference(found: StylePreference) -> Table:
    rows = [
        [
            words(row.feature),
            signed(row.effect.value, 2),
            signed_interval(row.effect, 2),
            p_value(row.holm),
            number(row.effect.n),
        ]
        for row in found.rows
        if row.p is not None
    ]
    title = "Preference and style at equal length (log-odds for a typical difference; an association, not a cause)"
    return table(title, ["Feature", "Log-odds", "95%", "p (Holm)", "n"], rows, 1)


def measure_table(agreement: Mapping[str, Mapping[str, float | None]]) -> Table:
    """How much of the longest rows by one measure (line) are the longest by another (column)."""
    rows = [
        [name, *("none" if one is None else f"{points(one)}%" for one in others.values())]
        for name, others in agreement.items()
    ]
    title = "Share of the longest rows by one measure that are also among the longest by the other"
    return table(title, ["Measure", *agreement], rows, 1)
