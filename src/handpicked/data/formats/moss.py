"""MOSS: rounds by name, each a question, a thought, calls of tools, what they returned, and the answer.

{"meta_instruction": "...", "chat": {"turn_1": {"Human": "<|Human|>: ...<eoh>", "Inner Thoughts": "...", "Commands":
"<|Commands|>: Search(\\"...\\")<eoc>", "Tool Responses": "...", "MOSS": "<|MOSS|>: ...<eom>"}}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats.cells import BLANK, BadRow, Row, absent, kind_name, literal
from handpicked.data.formats.row_format import RowFormat
from handpicked.records import Message, ToolCall

ASKS, SAYS = "Human", "MOSS"
FIELD, SYSTEM = "chat", "meta_instruction"
MARKS = re.compile(r"^\s*<\|[\w ]+\|>:|<eo\w>\s*$")
CALL = re.compile(r"(\w+)\((.*?)\)(?=\s*,\s*\w+\(|\s*$)", re.DOTALL)


@dataclass(frozen=True)
class Moss(RowFormat):
    """A conversation of MOSS. Its ``meta_instruction`` is the system text."""

    @property
    def fields(self) -> tuple[str, ...]:
        return (FIELD, SYSTEM, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (FIELD,)

    def messages(self, row: Row) -> list[Message]:
        rounds = _rounds(row.get(FIELD))
        if not isinstance(rounds, Mapping):
            raise BadRow(absent(FIELD, row) if rounds is None else f"field '{FIELD}' is {kind_name(rounds)}")
        system = row.get(SYSTEM)
        turns = (
            [Message("system", system.strip(BLANK))]
            if isinstance(system, str) and system.strip(BLANK)
            else []
        )
        for name, one in rounds.items():
            if not isinstance(one, Mapping) or not isinstance(one.get(ASKS), str):
                raise BadRow(f"'{name}' of '{FIELD}' is no round with '{ASKS}' and '{SAYS}'")
            turns += _turns(one)
        return self.beside.around(turns, row)


def moss(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of MOSS, where the first row shows it."""
    rounds = _rounds(rows[0].get(FIELD)) if rows and FIELD in fields else None
    first = next(iter(rounds.values()), None) if isinstance(rounds, Mapping) else None
    if not isinstance(first, Mapping) or ASKS not in first or SAYS not in first:
        return None
    return Moss("moss"), f"'{FIELD}' holds rounds with {ASKS} and {SAYS}"


def _rounds(value: object) -> object:
    return literal(value) if isinstance(value, str) else value


def _turns(one: Row) -> list[Message]:
    """A round: the question, the call with its thought and what it returned, and the answer. A thought without a
    call belongs to the answer.
    """
    thought, commands, returned = (
        _said(one, name) for name in ("Inner Thoughts", "Commands", "Tool Responses")
    )
    calls = tuple(ToolCall(name, arguments) for name, arguments in CALL.findall(commands))
    turns = [Message("user", _said(one, ASKS))]
    if commands:
        turns.append(Message("assistant", "" if calls else commands, reasoning=thought, calls=calls))
        turns.append(Message("tool", returned))
        thought = ""
    return [*turns, Message("assistant", _said(one, SAYS), reasoning=thought)]


def _said(one: Row, name: str) -> str:
    """The text of a field without the marks around it; blank where it says None."""
    value = one.get(name)
    text = MARKS.sub("", MARKS.sub("", value)).strip(BLANK) if isinstance(value, str) else ""
    return "" if text == "None" else text
