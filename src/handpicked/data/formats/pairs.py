"""Recognises rows that have a field for the prompt and one for the response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handpicked.data.formats.cells import Row, literal
from handpicked.data.formats.field_names import (
    FURTHER_RESPONSES,
    HISTORIES,
    INPUTS,
    PAIRS,
    PREFERENCES,
    PROMPTS,
    RESPONSES,
    by_name,
)
from handpicked.data.formats.row_format import Pairs, RowFormat
from handpicked.data.formats.several import several
from handpicked.data.formats.turns import listed_turns


def pairs(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """A prompt and a response field, ignoring case. Of several response fields, the one with the most values."""
    real = by_name(fields)
    prompt = next((name for name in PROMPTS if name in real), None)
    preferred = [better for better, worse in PREFERENCES if better in real and worse in real]
    names = dict.fromkeys((*RESPONSES, *preferred, *FURTHER_RESPONSES))
    answers = [name for name in names if name in real and name != prompt]
    if prompt is None or not answers:
        both = next((pair for pair in PAIRS if all(name in real for name in pair)), None)
        if both is None:
            return None
        prompt, answers = both[0], [both[1]]
    filled = {name: sum(_says(row.get(real[name])) for row in rows) for name in answers}
    answer = max(answers, key=lambda name: filled[name])
    further = next((name for name in INPUTS.get(prompt, ()) if name in real), None)
    read = [real[name] for name in (prompt, further, answer) if name]
    pairs = Pairs(
        _pair_name(prompt, further, answer), real[prompt], real[answer], real[further] if further else None,
        next((real[name] for name in HISTORIES if name in real and _are_turns(rows, real[name])), None),
        are_listed(rows, (real[prompt], real[answer])),
    )  # fmt: skip
    if pairs.history:
        read.append(pairs.history)
    shape = several(pairs, rows, fields)
    lists = "" if shape is pairs else f"; {real[answer]} lists answers"
    return shape, f"rows have the fields {', '.join(read)}{lists}"


def _are_turns(rows: Sequence[Row], field: str) -> bool:
    """Whether a field may hold the turns before a prompt: not where it is a plain text throughout."""
    values = [value for row in rows if (value := row.get(field)) not in (None, "", [])]
    return not values or any(not isinstance(one, str) or isinstance(literal(one), list) for one in values)


def _says(value: object) -> float:
    """How much a value looks like a response: a number counts little, since it may be a count or a grade."""
    return float(bool(value)) if isinstance(value, str | list | Mapping) else 0.01 * bool(value)


def are_listed(rows: Sequence[Row], fields: Sequence[str]) -> bool:
    """Whether all values of one of these fields are texts that list turns, as a CSV holds them."""
    for field in fields:
        values = [row.get(field) for row in rows]
        filled = [value for value in values if value is not None and value != ""]
        if filled and all(isinstance(value, str) and listed_turns(value) is not value for value in filled):
            return True
    return False


def _pair_name(prompt: str, further: str | None, answer: str) -> str:
    if (prompt, answer) == ("instruction", "output"):
        return "alpaca"
    if (prompt, answer, further) == ("instruction", "response", "context"):
        return "dolly"
    return f"{prompt}-{answer}"
