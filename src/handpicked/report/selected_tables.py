"""The sections on the selected rows and on style as plain tables, for ``report.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from handpicked.report.selected import words
from handpicked.report.text import (
    number,
    percent,
    percent_interval,
    points_interval,
    signed,
    signed_interval,
    signed_points,
)

Json = Mapping[str, Any]
Table = tuple[str, Sequence[str], Sequence[Sequence[str]], int]
"""Title, head, rows, and how many columns hold text."""


def selected_tables(results: Json) -> Iterator[Table]:
    """Instruction types, win rate and benchmarks by type, differences from the pool, correlations with length, overlap, style."""
    instructions, audit, preference = (results.get(name) for name in ("instructions", "audit", "preference"))
    if instructions and instructions["sets"]:
        yield _verbs(instructions["sets"])
    if instructions and instructions["by_type"]:
        yield _by_type(instructions["by_type"])
    if instructions and instructions.get("on_benchmarks"):
        yield _on_benchmarks(instructions["on_benchmarks"])
    if audit:
        yield _differences(audit)
        yield _correlations(audit)
        yield _overlap(audit)
    if preference:
        yield _preference(preference)


def _verbs(sets: Sequence[Json]) -> Table:
    rows = [
        [
            one["name"],
            verb["verb"],
            percent(verb["share"]["value"]),
            percent_interval(verb["share"]),
            number(verb["n"]),
            ", ".join(f"{noun['noun']} {noun['n']}" for noun in verb["nouns"]),
        ]
        for one in sets
        for verb in one["verbs"]
    ]
    rows += [
        [one["name"], f"no root verb: {why}", percent(count / one["n"]), "", number(count), ""]
        for one in sets
        for why, count in one["none"].items()
    ]
    return "Instruction types", ["Set", "Root verb", "Share", "95%", "n", "Most common objects"], rows, 2


def _by_type(types: Sequence[Json]) -> Table:
    rivals = list(types[0]["win_rates"])
    rows = [
        [
            row["type"],
            number(row["prompts"]),
            *(
                f"{percent(rate['value'])} ({percent_interval(rate)}, n {rate['n']})"
                for rate in row["win_rates"].values()
            ),
            f"{signed(row['loss']['value'])} ({signed_interval(row['loss'])})" if row["loss"] else "–",
        ]
        for row in types
    ]
    head = [
        "Root verb of the prompt",
        "Prompts",
        *(f"Win rate against {rival}" for rival in rivals),
        "Loss to base",
    ]
    return "Win rate and loss by instruction type (not corrected for the number of types)", head, rows, 1


def _on_benchmarks(found: Json) -> Table:
    rows = [
        [
            row["type"],
            ", ".join(f"{name} {n}" for name, n in row["benchmarks"].items()),
            number(row["documents"]),
            *(
                f"{signed_points(row[key]['value'])} ({points_interval(row[key])}, n {row[key]['n']})"
                if row[key]
                else "–"
                for key in ("to_base", "to_full")
            ),
        ]
        for row in (found["overall"], *found["rows"])
    ]
    rows += [[f"left out: {name}", why, "", "", ""] for name, why in found["left_out"].items()]
    head = ["Root verb of the question", "Documents of", "Documents", "To base", "To full"]
    title = "Benchmark change by instruction type (points of 100, not corrected for the number of types)"
    return title, head, rows, 2


def _differences(audit: Json) -> Table:
    arms = list(audit["differences"][0]["arms"])
    rows = [
        [
            words(row["feature"]),
            *(f"{signed(d['value'], 2)} ({signed_interval(d, 2)})" for d in row["arms"].values()),
        ]
        for row in audit["differences"]
    ]
    return "Subsets against the pool, in standard deviations of the pool", ["Feature", *arms], rows, 1


def _correlations(audit: Json) -> Table:
    rows = [
        [
            words(row["score"]),
            signed(row["spearman"]["value"], 2),
            signed_interval(row["spearman"], 2),
            number(row["spearman"]["n"]),
        ]
        for row in audit["correlations"]
    ]
    return "Rank correlation of every score with length", ["Score", "Spearman", "95%", "n"], rows, 1


def _overlap(audit: Json) -> Table:
    rows = [
        [
            f"{row['a']} and {row['b']}",
            number(row["both"]),
            number(row["n"]),
            percent(row["overlap"]),
            percent(row["by_chance"]),
            number(row["jaccard"], 3),
        ]
        for row in audit["overlap"]
    ]
    return (
        "Overlap of the subsets",
        ["Subsets", "In both", "N", "Overlap at N", "By chance", "Jaccard"],
        rows,
        1,
    )


def _preference(found: Json) -> Table:
    rows = [
        [
            words(row["feature"]),
            signed(row["effect"]["value"], 2),
            signed_interval(row["effect"], 2),
            number(row["holm"], 3),
            number(row["effect"]["n"]),
        ]
        for row in found["rows"]
        if row["p"] is not None
    ]
    title = "Preference and style at equal length (log-odds for a typical difference; an association, not a cause)"
    return title, ["Feature", "Log-odds", "95%", "p (Holm)", "n"], rows, 1
