"""The values of a row's fields: what is missing, and what is text, a number or a list."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from handpicked.data.turns import BadRow, kind_name, literal

Row = Mapping[str, object]


def text_of(value: object, field: str | None, row: Row) -> str:
    """A field as text: null (and NaN) is blank, a number is its JSON text, anything else is not text."""
    if isinstance(value, str):
        return value
    if known(value) is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    raise BadRow(f"field '{field}' is {kind_name(value)}, not text")


def number(value: object) -> float | None:
    """A number, or a text that is one (a CSV cell); NaN is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def absent(field: str, row: Row) -> str:
    if field in row:
        return f"field '{field}' is null"
    return f"field '{field}' is missing (fields: {', '.join(map(str, row))[:200] or 'none'})"


def known(value: object) -> object:
    """The value, or ``None`` for NaN, which is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def parsed_turns(text: str, field: str) -> object:
    """A list that a CSV or a text column holds as JSON or as a Python literal."""
    found = literal(text)
    if found is None:
        raise BadRow(f"field '{field}' is text that is not a JSON list of turns")
    return found
