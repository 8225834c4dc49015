"""The summary of a selection as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LONGEST = 80
"""Characters of a finding that are shown."""


def summary_lines(audit: Mapping[str, Any]) -> Iterator[str]:
    """What a user should see before training: which guards the kept rows would fail,
    and what truncation cuts.
    """
    if not audit or not audit["rows"]:
        return
    sample = f", in a sample of {audit['rows']:,}" if audit["rows"] < audit["of"] else ""
    flagged = [
        (guard["rows"], name, guard["rule"] + _such_as(guard))
        for name, guard in audit["guards"].items()
        if guard["rows"]
    ]
    if flagged:
        yield f"Of the rows kept{sample}, look at these before training (--guard NAME drops them):"
    for rows, name, rule in flagged:
        yield f"  {rows:>11,}  {name}: {rule}"
    lacking = audit.get("not_looked_at", {})
    if lacking:
        yield f"Not looked at: {', '.join(lacking)} (pip install 'handpicked[filters]')"
    cut = audit.get("truncation")
    if cut:
        share = f"{cut['cut_and_lose_end_of_text']:,} of {cut['rows']:,}"
        yield f"At {cut['max_length']:,} tokens a trainer cuts {share} kept rows: they lose their end-of-text, and"
        yield f"  {cut['lose_whole_response']:>11,}  of them the whole response; {cut['tokens_lost']:,} tokens in all"


def exported_lines(exports: Mapping[str, Any], out: Path) -> Iterator[str]:
    """What was written for other trainers, how to start them, and what of the rows they do not take."""
    for name, one in exports.items():
        yield f"For {name}: {', '.join(one['files'])}. Name the model in it, then: cd {out / name} && {one['command']}"
        for reason, rows in one["lost"].items():
            yield f"  {rows:>11,}  rows {reason}"


def _such_as(guard: Mapping[str, Any]) -> str:
    """The most frequent of what a guard found, where it says that."""
    first = next(iter(guard.get("found", {})), None)
    return "" if first is None else f", such as: {_one_line(first)}"


def _one_line(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"{plain[:LONGEST]}..." if len(plain) > LONGEST else plain
