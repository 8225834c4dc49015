"""Stored requests to a chat model and what it answered, as clients and gateways log them.

{"request": {"messages": [...], "tools": [...]}, "response": {"choices": [{"message": {...}}]}}
{"messages": [...], "choices": [...]}, {"body": {"messages": [...]}} (OpenAI's batch),
{"input": {"messages": [...]}, "preferred_output": [...]} (OpenAI's preferences)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.data.cells import Row
from handpicked.data.formats import RowFormat
from handpicked.data.several import undecided
from handpicked.data.turns import BadRow, is_turn, kind_name, literal, read_turn, tools_in, turns_of
from handpicked.records import Message

DEPTH = 4
LOOKED_AT = 50
"""First rows in which requests are looked for."""
ASKED = ("messages", "prompt", "input")
ANSWERED = ("choices", "preferred_output")
Path = tuple[str, ...]
"""Names of fields, each inside the one before."""


@dataclass(frozen=True)
class Logged(RowFormat):
    """The turns that were sent lie at ``asked``, and the answer, where it is apart from them, at ``answered``."""

    asked: Path
    answered: Path | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        answered = self.answered[:1] if self.answered else ()
        return (*dict.fromkeys((self.asked[0], *answered)), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.asked[0],)

    def messages(self, row: Row) -> list[Message]:
        self.beside.check(row)
        asked = _at(row, self.asked)
        where = ".".join(self.asked)
        if isinstance(asked, str):
            turns = [Message("user", asked)]
        elif isinstance(asked, list):
            turns = turns_of(asked, where)
        else:
            raise BadRow(f"field '{where}' is {kind_name(asked)}, not a list of turns")
        if self.answered is not None:
            turns = [*turns, *_answer(_at(row, self.answered), ".".join(self.answered))]
        request = _at(row, self.asked[:-1])
        tools = (
            tools_in(request.get("tools") or request.get("functions")) if isinstance(request, Mapping) else ""
        )
        return self.beside.around([replace(turns[0], tools=tools), *turns[1:]] if tools else turns, row)


def logged(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of stored requests, where the first rows show one."""
    for row in rows[:LOOKED_AT]:
        found = dict(_fields(row, (), DEPTH))
        answered = next(
            (path for path, value in found.items() if path[-1] in ANSWERED and _is_answer(value)), None
        )
        asked = next(
            (
                path
                for name in ASKED
                for path, value in found.items()
                if path[-1] == name
                and (_are_turns(value) or (answered and name != "messages" and isinstance(value, str)))
            ),
            None,
        )
        if asked is None or (answered is None and (len(asked) == 1 or not _answered(found[asked]))):
            continue
        why = f"the turns are in '{'.'.join(asked)}'"
        return Logged("logged", asked, answered), why + (
            f", their answer in '{'.'.join(answered)}'" if answered else ""
        )
    return None


def answers_alone(rows: Sequence[Row]) -> bool:
    """Whether rows are stored answers without their requests, as the result of a batch is."""
    return any(
        _is_answer(value)
        for row in rows[:1]
        for path, value in _fields(row, (), DEPTH)
        if path[-1] in ANSWERED
    )


def _fields(value: Mapping[str, object], above: Path, depth: int) -> Iterator[tuple[Path, object]]:
    """The fields of an object and of the objects in it, also of those that are text, with their paths."""
    inner = []
    for name, part in value.items():
        if isinstance(part, str) and part[:1] == "{":
            part = literal(part)
        if isinstance(part, Mapping):
            inner.append((str(name), part))
        yield (*above, str(name)), literal(part) if isinstance(part, str) and part[:1] == "[" else part
    for name, part in inner if depth > 1 else ():
        yield from _fields(part, (*above, name), depth - 1)


def _at(row: Row, path: Path) -> object:
    value: object = row
    for name in path:
        if isinstance(value, str):
            value = literal(value)
        value = value.get(name) if isinstance(value, Mapping) else None
    return (literal(value) or value) if isinstance(value, str) and value[:1] == "[" else value


def _are_turns(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_turn, value))


def _answered(value: object) -> bool:
    return isinstance(value, list) and any(read.role == "assistant" for read in turns_of(value, "messages"))


def _is_answer(value: object) -> bool:
    one = value[0] if isinstance(value, list) and value else None
    return isinstance(one, Mapping) and (
        is_turn(one)
        or isinstance(one.get("message"), Mapping)
        or ("index" in one and isinstance(one.get("text"), str))
    )


def _answer(value: object, where: str) -> list[Message]:
    """The only answer among choices (all the same, or one), or the turns of an answer. Raises BadRow."""
    if not isinstance(value, list) or not value:
        raise BadRow(f"field '{where}' is {kind_name(value)}, not an answer: the request may have failed")
    if _are_turns(value):
        return turns_of(value, where)
    said = [one.get("message", one.get("text")) if isinstance(one, Mapping) else one for one in value]
    if any(one != said[0] for one in said[1:]):
        raise undecided(where, len(said))
    return [Message("assistant", said[0])] if isinstance(said[0], str) else read_turn(said[0], where, 0)
