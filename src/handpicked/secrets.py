"""Replaces keys and passwords by ``***`` in logs, messages, files and on the terminal.

Known are the values of environment variables that hold keys by their name (OPENAI_API_KEY, HF_TOKEN, ...),
the token file of the Hugging Face hub, and the values given to ``protect``: the key in use, and the password
and query keys of an address.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "***"
SHORTEST = 6
"""Characters of a value that is hidden wherever it occurs. A shorter one is not a key, and
would hide parts of words.
"""
NAMES = re.compile(r"(API_?KEY|TOKEN|SECRET|SECRET_KEY|ACCESS_KEY|PASSWORD|PASSWD)$", re.IGNORECASE)
QUERY_NAMES = re.compile(r"(key|token|secret|password|signature|^sig|^code)$", re.IGNORECASE)
PLACEHOLDERS = frozenset(
    {"anything", "dummy-key", "lm-studio", "no-key", "no-key-needed", "none", "not-needed", "notneeded"}
    | {"ollama", "placeholder", "undefined", "unused", "whatever"}
)
"""Placeholder keys for endpoints that accept any key; these ordinary words stay readable."""

_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@:?#'\"<>]{0,200}:[^\s/@?#'\"<>]{1,200}(?=@)")
_IN_QUERY = re.compile(
    r"(?<=[?&])((?:[\w-]{0,40}(?:key|token|secret|password|signature)|sig|code)=)[^\s&#'\"<>]{1,500}",
    re.IGNORECASE,
)
_IN_HEADER = re.compile(
    r"((?:authorization|api-key|x-api-key)['\"]{0,2}\s{0,3}[:=,]\s{0,3}(?:b(?=['\"]))?['\"]{0,2}(?:(?:bearer|basic)\s{1,3})?)[^\s'\",}\])*]{1,2000}",
    re.IGNORECASE,
)

_known: dict[str, None] = {}
_spellings: re.Pattern[str] | None = None
_hiding_record: object = None


def protect(*values: str) -> None:
    """Hide these values from now on, in this process, and every key that the environment holds."""
    global _spellings
    before = len(_known)
    for value in (*values, *_environment(), *_hub_token()):
        if _is_secret(value):
            _known[value] = None
    if len(_known) != before:
        spellings = {spelling for value in _known for spelling in _spelled(value)}
        longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        _spellings = re.compile("|".join(map(re.escape, longest_first)))
    if logging.getLogRecordFactory() is not _hiding_record:
        _wrap_records()


def protect_address(url: str) -> None:
    """Hide the user name and password of an address, and the keys of its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    found = [parts.password or "", unquote(parts.password or "")]
    found += [value for name, value in parse_qsl(parts.query) if QUERY_NAMES.search(name)]
    protect(*found)


def masked(text: str) -> str:
    """The text without known secret values. For data: nothing else changes."""
    return text if _spellings is None else _spellings.sub(HIDDEN, text)


def redacted(text: str) -> str:
    """The text without known values, credentials in addresses and authorization
    headers. For messages and logs.
    """
    text = masked(text)
    if "://" in text:
        text = _IN_QUERY.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(HIDDEN, text))
    lower = text.lower()
    return _IN_HEADER.sub(rf"\1{HIDDEN}", text) if "authorization" in lower or "api-key" in lower else text


class Redacting:
    """A text stream that writes to another one and hides what ``redacted`` hides."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def __iter__(self) -> object:
        return iter(self._stream)


def guard_process() -> None:
    """Hide keys in all that this process logs and writes to stdout and stderr, whoever writes it."""
    protect()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Redacting):
            setattr(sys, name, Redacting(stream))


def _environment() -> list[str]:
    """Values of variables with a key's name; numbers, paths and short words are not keys."""
    values = [value.strip() for name, value in os.environ.items() if NAMES.search(name)]
    return [v for v in values if len(v) >= 8 and not v.isdigit() and not v.startswith(("/", "."))]


def _hub_token() -> list[str]:
    home = os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")  # noqa: PTH111 (never raises)
    try:
        return [Path(os.environ.get("HF_TOKEN_PATH") or f"{home}/token").read_text(encoding="utf-8").strip()]
    except (OSError, UnicodeDecodeError):
        return []


def _is_secret(value: str) -> bool:
    return len(value) >= SHORTEST and value.lower() not in PLACEHOLDERS and not value.isspace()


def _spelled(value: str) -> set[str]:
    """A value as it is, and as JSON, Python, HTML, an address and basic authorization write it."""
    return {
        value,
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
        html.escape(value),
        quote(value, safe=""),
        quote(value),
        base64.b64encode(value.encode("utf-8", "surrogateescape")).decode().rstrip("="),
    }


def _wrap_records() -> None:
    """Records are made by one function for every logger, so that this holds for libraries too."""
    global _hiding_record
    make = logging.getLogRecordFactory()

    def hiding(*args: Any, **fields: object) -> logging.LogRecord:
        return _hide(make(*args, **fields))

    _hiding_record = hiding
    logging.setLogRecordFactory(hiding)


def _hide(record: logging.LogRecord) -> logging.LogRecord:
    """The record as it was, unless its message or its exception shows a key."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # a library's own mistake, which logging reports
        message = ""
    clean = redacted(message)
    if clean != message:
        record.msg, record.args = clean, ()
    if record.exc_info and record.exc_info[1] is not None and _shows_a_key(record.exc_info[1]):
        written = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        record.exc_text, record.exc_info = redacted(written), None
    return record


def _shows_a_key(error: BaseException) -> bool:
    """Whether the message of an error, or of one behind it, shows a key.

    The whole traceback is written only then: the garbage collector may log from anywhere, also from within
    Python's parser, which writing a traceback would enter again.
    """
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or any(one is other for other in seen) or len(seen) > 100:
            continue
        seen.append(one)
        try:
            written = "\n".join([str(one), *map(str, getattr(one, "__notes__", ()))])
        except Exception:  # noqa: BLE001 (a library's exception that cannot be written)
            continue
        if redacted(written) != written:
            return True
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return False
