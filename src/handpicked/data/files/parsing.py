"""Parses one JSON value, and accepts harmless deviations: control characters, NaN, extra commas."""

from __future__ import annotations

import json
import re

from handpicked.data.files.raw import Damage, excerpt

STRING_OR_COMMA = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|,(?=\s*[}\]])', re.DOTALL)
COMMA_THEN_END = re.compile(r"\s*,?\s*[}\]]")
ROUNDED = re.compile(rb"\d{16}")
"""Where orjson would round an integer that Python's own parser keeps: one of 20 digits or more."""
CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ", "||||||| ")
HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
WINDOWS_1252 = re.compile(
    rb"[\x80\x82-\x8c\x8e\x91-\x9c\x9e-\xfd]|[\xdf-\xfd]{2}|[\x82\x84\x91\x93\xab\xbb][\xc0-\xfd]|[\xc0-\xfd][\x92-\x94\xab\xbb]"
)
"""Letters and signs that Windows-1252 puts side by side; other encodings of other scripts have
longer runs, or other pairs.
"""


def _no_value(_: str) -> None:
    """NaN and the infinities, which Python's parser takes and JSON has not."""


DECODER = json.JSONDecoder(strict=False, parse_constant=_no_value)


def parsed(text: str) -> object:
    """The value of a text, or ``Damage``. A comma after it, and before a closing bracket in it, is let pass."""
    text = text.lstrip("\ufeff")
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and (
            COMMA_THEN_END.match(text, error.pos) or text[error.pos :].strip() == ","
        ):
            try:
                return DECODER.decode(without_commas(text).rstrip(", \t\r\n"))
            except (ValueError, RecursionError):
                pass
        return Damage(f"{broken(error)}{_remark(text, error)}", excerpt(text))


def _remark(text: str, error: Exception) -> str:
    """What a line is that is not JSON, where that is known."""
    if text.startswith(CONFLICT):
        return ": the mark of a merge conflict in Git, which is not resolved"
    if isinstance(error, json.JSONDecodeError) and text[error.pos :].lstrip(" \t,").startswith("{"):
        return (
            ": several objects share the line, of which each is a row (jq -c . FILE > ROWS.jsonl parts them)"
        )
    if text.startswith(("{'", "{ '")):
        return ": this is how Python prints a dictionary (json.dumps writes JSON)"
    return ""


def without_commas(text: str) -> str:
    """The text with a blank for each comma before a closing bracket."""
    return STRING_OR_COMMA.sub(lambda found: " " if found[0] == "," else found[0], text)


def broken(error: Exception) -> str:
    """Why a text is not JSON."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}"
    return f"not valid JSON: {error}"


def decoded(part: bytes | bytearray) -> str | Damage:
    """The text of a line, or what is wrong with its bytes."""
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at its byte {error.start}{encoding_hint(part)}"
        return Damage(reason, excerpt(part.decode("utf-8", "replace")))


def encoding_hint(data: bytes | bytearray) -> str:
    """What to do about bytes that are not UTF-8 where they look like Windows-1252: single ones
    between ASCII, or small letters.
    """
    runs = HIGH_BYTES.findall(data)[:1000]
    if not runs or not all(WINDOWS_1252.fullmatch(run) for run in runs):
        return ""
    return "; it looks like Windows-1252 (Latin-1): read a pool with --encoding windows-1252, or convert the file (iconv -f WINDOWS-1252 -t UTF-8)"


def too_large(size: int, max_row: int, head: bytes | bytearray) -> Damage:
    """The stand-in for a row that is larger than the limit."""
    reason = f"the row has {size / 1e6:,.1f} MB, more than the {max_row / (1 << 20):g} MiB that a row may have (--max-row-mb)"
    return Damage(reason, excerpt(head[:400].decode("utf-8", "replace")))
