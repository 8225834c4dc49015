"""Row formats that the user names, or whose fields he maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handpicked.data.formats.pairs import are_listed
from handpicked.data.formats.row_format import Chat, Pairs, RowFormat
from handpicked.data.formats.several import several
from handpicked.data.formats.unrecognised import fields_seen
from handpicked.errors import PoolError, did_you_mean
from handpicked.installed import load, names

ROLES_OF_MAP = (
    "prompt",
    "input",
    "response",
    "system",
    "history",
    "messages",
    "source",
    "tools",
    "label",
    "reasoning",
)
NAMED: dict[str, RowFormat] = {
    "alpaca": Pairs("alpaca", "instruction", "output", "input", "history"),
    "dolly": Pairs("dolly", "instruction", "response", "context"),
    "sharegpt": Chat("sharegpt", "conversations"),
    "messages": Chat("messages", "messages"),
    "prompt-completion": Pairs("prompt-completion", "prompt", "completion"),
    "prompt-response": Pairs("prompt-response", "prompt", "response"),
    "question-answer": Pairs("question-answer", "question", "answer"),
}
"""The shipped formats that ``format=`` can force. Recognition also finds similar ones, such
as instruction with answer.
"""
ADDED = "handpicked.formats"
"""The entry points by which installed packages add formats: each is a ``Pairs`` or a ``Chat``."""


def mapped(
    rows: Sequence[Mapping[str, object]], fields: list[str], where: str, map: Mapping[str, str]
) -> tuple[RowFormat, str]:
    for role, field in map.items():
        if role not in ROLES_OF_MAP:
            raise PoolError(
                f"map: '{role}' is not a role that a field can be mapped "
                f"to.{did_you_mean(role, ROLES_OF_MAP)}"
            )
        if field not in fields:
            raise PoolError(
                f"{where}: map names the field '{field}' for {role}, which no "
                f"row has.{fields_seen(field, fields)}"
            )
    why = "by the given map: " + ", ".join(f"{role} is '{field}'" for role, field in map.items())
    if "messages" in map:
        return Chat("mapped", map["messages"]), why
    if "response" not in map or "prompt" not in map:
        if set(map) == {"source"}:
            raise PoolError("map: 'source' alone does not say where prompt and response are; map these too")
        raise PoolError(
            "map: give both prompt and response (or messages), such as prompt=question,response=answer"
        )
    pairs = Pairs(
        "mapped", map["prompt"], map["response"], map.get("input"), map.get("history"),
        are_listed(rows, (map["prompt"], map["response"])),
    )  # fmt: skip
    return several(pairs, rows, fields), why


def forced(fields: list[str], where: str, format: str) -> tuple[RowFormat, str]:
    shape = _named(format)
    for field in shape.required:
        if field not in fields:
            raise PoolError(
                f"{where}: format '{format}' needs the field '{field}', which no "
                f"row has.{fields_seen(field, fields)}"
            )
    return shape, f"the format {format} is set"


def _named(format: str) -> RowFormat:
    if format in NAMED:
        return NAMED[format]
    added = load(ADDED, format)
    if added is None:
        raise PoolError(f"format '{format}' is not known.{did_you_mean(format, [*NAMED, *names(ADDED)])}")
    if not isinstance(added, Pairs | Chat):
        raise PoolError(
            f"format '{format}' is {added!r}: an entry point of {ADDED} must be a Pairs or a Chat of "
            "handpicked.data.formats.row_format."
        )
    return added
