"""The JSON objects in a judge's reply, also as models write them: in fences, with comments, with trailing
commas, with single quotes, or cut off.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice

MOST = 40
"""Braces of a reply at which an object is looked for."""
LONGEST = 20_000
"""Characters of an object that is not strict JSON."""
NOT_DATA = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*[^*]*\*/|,(?=\s{0,200}[}\]])', re.DOTALL)
"""A text, which is kept; or a comment or a trailing comma, which is dropped."""
WHOLE = re.compile(
    r'"([^"\\\n]{1,60})"\s{0,20}:\s{0,20}("(?:[^"\\]|\\.)*"|-?\d{1,20}(?:\.\d{1,20})?|true|false|null)(?=\s{0,20},)'
)
"""A field of an object that was cut off later."""
DECODER = json.JSONDecoder(strict=False)


def objects_in(reply: str) -> Iterator[dict[str, object]]:
    """The objects of a reply, outermost ones only, in their order."""
    done = 0
    for brace in islice(re.finditer(r"\{", reply), MOST):
        if brace.start() < done:
            continue
        found, length = _object(reply[brace.start() :])
        if found is not None:
            done = brace.start() + length
            yield found


def _object(text: str) -> tuple[dict[str, object] | None, int]:
    """The object with which the text begins, and how many characters it takes."""
    try:
        found, length = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return _loose(text[:LONGEST])
    return (found, length) if isinstance(found, dict) else (None, 0)


def _loose(text: str) -> tuple[dict[str, object] | None, int]:
    """An object with comments, trailing commas or single quotes, which ends at the first ``}`` that fits."""
    for end in islice(re.finditer(r"\}", text), 3):
        part = text[: end.end()]
        plain = NOT_DATA.sub(lambda match: match[1] or "", part)
        for read in (DECODER.decode, ast.literal_eval):
            try:
                found = read(plain)
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
            if isinstance(found, dict):
                return found, end.end()
    if "}" in text or "{" in text[1:]:
        return None, 0
    fields = {name: json.loads(value, strict=False) for name, value in WHOLE.findall(text)}
    return (fields, len(text)) if fields else (None, 0)


def flat(fields: Mapping[str, object], above: str = "", depth: int = 3) -> Iterator[tuple[str, object]]:
    """The values of an object and of the objects in it, each with the names above it, joined by points."""
    for name, value in fields.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and depth > 1:
            yield from flat(value, path, depth - 1)
        else:
            yield path, value
