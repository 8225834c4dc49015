"""The values of a row's fields: what is missing, and what is text, a number or a list."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping

Row = Mapping[str, object]

BLANK = " \t\n\r\f\v"
"""What counts as blank: ASCII white space, so that Arrow and Python agree on it."""
TEXTS = ("response", "answer", "text", "full_text", "content", "completion", "output", "value")
"""The fields of an object that hold its text, as of one of several answers."""
MOST_LITERAL = 1 << 22
"""Characters of a Python literal that are parsed; it takes a hundred times their memory."""
NO_COMMA = re.compile(r"\}\s*\n\s*\{")


class BadRow(ValueError):
    """This row cannot be read. ``str(error)`` is the reason that ``Rejected`` reports."""


def text_of(value: object, field: str | None, row: Row) -> str:
    """A field as text: null (and NaN) is blank, a number is its JSON text, anything else is not text."""
    if isinstance(value, str):
        return value
    if known(value) is None or value == [] or value == {}:
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


def text_in(value: object) -> str | None:
    """A text, or the one that an object holds; ``None`` where there is none."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return None
    return next((text for name in TEXTS if isinstance(text := value.get(name), str)), None)


def absent(field: str, row: Row) -> str:
    """Why a field that a row needs is not there."""
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


def literal(text: str) -> object:
    """The list or object that a text holds as JSON or as Python writes it; ``None`` where it holds none.

    Numpy writes a list of objects with line ends between them instead of commas.
    """
    text = text.strip(BLANK)
    if text[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > MOST_LITERAL:
        return None
    try:
        return ast.literal_eval(NO_COMMA.sub("}, {", text))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def zipped(columns: Mapping[str, object]) -> object:
    """Turns or answers that ``datasets`` turned into lists, one for each of their fields."""
    lists = {name: part for name, part in columns.items() if isinstance(part, list)}
    if not lists or len(lists) < len(columns) or len({len(part) for part in lists.values()}) > 1:
        return columns
    return [dict(zip(lists, turn, strict=True)) for turn in zip(*lists.values(), strict=True)]


def json_text(value: object) -> str:
    """A value as JSON text in Unicode; a lone surrogate, which UTF-8 has not, as its escape."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=str)
    return text


def kind_name(value: object) -> str:
    """What a value is, in a reader's words."""
    if value is None:
        return "null"
    names = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), f"a {type(value).__name__}")
