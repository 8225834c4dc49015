"""Stored requests to a chat model and what it answered, as clients, gateways and tracers keep them.

{"request": {"messages": [...], "tools": [...]}, "response": {"choices": [{"message": {...}}]}}
{"messages": [...], "choices": [...]}, {"body": {"messages": [...]}} (OpenAI's batch),
{"input": {"messages": [...]}, "preferred_output": [...]} (OpenAI's preferences)
{"request": {"contents": [...]}, "response": {"candidates": [{"content": {...}}]}} (Gemini's batch)
{"input": "...", "instructions": "...", "output": [{"type": "message", ...}]} (OpenAI's Responses)
{"inputs": {"question": "..."}, "outputs": {"answer": "..."}} (LangSmith, Langfuse, Weave)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from handpicked.data.formats.blocks import text_of_blocks
from handpicked.data.formats.calls import tools_in
from handpicked.data.formats.cells import BadRow, Row, kind_name, literal
from handpicked.data.formats.chats import chat
from handpicked.data.formats.field_names import PROMPTS, RESPONSES, SYSTEMS
from handpicked.data.formats.pairs import pairs
from handpicked.data.formats.row_format import RowFormat
from handpicked.data.formats.several import undecided
from handpicked.data.formats.turns import are_turns, is_turn, read_turn, role_of, speaker, turns_of
from handpicked.records import Message

DEPTH = 4
LOOKED_AT = 50
"""First rows in which requests are looked for."""
ASKED = ("messages", "contents", "prompt", "input")
"""Fields of the turns that were sent; the last two may be a text."""
TOLD = (
    "choices", "preferred_output", "candidates", "output", "message", "response", "outputs", "modelOutput", "generations",
    "messages",
)  # fmt: skip
"""Fields of an answer, the likeliest first."""
UNTOLD = ("non_preferred_output", "rejected")
ASKERS = ("inputs", "input", "request", "vars")
"""Objects of named values that were given to a program, of which one is the question."""
TELLERS = (
    "outputs", "output", "response", "expected", "expected_output", "expectedOutput", "reference_outputs",
)  # fmt: skip
"""What it gave back: a text, or an object of which one value is the answer."""
ITEMS = ("reasoning", "message", "function_call", "function_call_output")
"""Types of the items of OpenAI's Responses."""
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
        above = ("instructions",) if len(self.asked) == 1 else ()
        return (*dict.fromkeys((self.asked[0], *answered, *above)), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.asked[0],)

    def messages(self, row: Row) -> list[Message]:
        self.beside.check(row)
        asked = _at(row, self.asked)
        where = ".".join(self.asked)
        if asked is None and _are_turns(above := _at(row, self.asked[:-1])):
            asked = above  # another row of the same export
        if isinstance(asked, str):
            turns = [Message("user", asked)]
        elif isinstance(asked, list):
            turns = turns_of(asked, where)
        else:
            raise BadRow(f"field '{where}' is {kind_name(asked)}, not a list of turns")
        if self.answered is not None:
            said = _answer(_at(row, self.answered), ".".join(self.answered))
            turns = said if any(turn.role == "user" for turn in said) else [*turns, *said]
        request = _at(row, self.asked[:-1])
        if isinstance(request, Mapping):
            turns = self._with_request(turns, request)
        return self.beside.around(turns, row)

    def _with_request(self, turns: list[Message], request: Row) -> list[Message]:
        """The turns with the system text and the tools of their request."""
        names = ("instructions", *(SYSTEMS if len(self.asked) > 1 else ()))
        system = next((said for name in names if (said := _of(request, name))), None)
        if system and turns[0].role != "system":
            turns = [Message("system", text_of_blocks(system, "the request's system text")), *turns]
        tools = tools_in(request.get("tools") or request.get("functions"))
        return [replace(turns[0], tools=tools), *turns[1:]] if tools else turns


def logged(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of stored requests, where the first rows show one."""
    for row in rows[:LOOKED_AT]:
        found = dict(_fields(row, (), DEPTH))
        asked, answered = _places(found)
        if asked is None:
            continue
        plain = chat(rows, fields) or pairs(rows, fields)
        if plain is not None and not {asked[0], *(answered or ())[:1]}.intersection(plain[0].fields):
            return None  # a record of how the row was made lies beside it
        why = f"the turns are in '{'.'.join(asked)}'"
        return Logged("logged", asked, answered), why + (
            f", their answer in '{'.'.join(answered)}'" if answered else ""
        )
    return None


def answers_alone(rows: Sequence[Row]) -> bool:
    """Whether rows are stored answers without their requests, as the result of a batch is."""
    found = dict(_fields(rows[0], (), DEPTH)) if rows else {}
    return any(_is_answer(value, path) for path, value in found.items() if path[-1] in TOLD)


def requests_alone(rows: Sequence[Row]) -> bool:
    """Whether rows are stored requests without their answers, as the input of a batch is."""
    found = dict(_fields(rows[0], (), DEPTH)) if rows else {}
    return any(
        _are_turns(value) and not _answered(value) for path, value in found.items() if path[-1] in ASKED
    )


def _places(found: Mapping[Path, object]) -> tuple[Path | None, Path | None]:
    """Where the turns that were sent are in a row, and where their answer."""
    sent = _sent(found)
    told = [path for path, value in found.items() if path != sent and _is_answer(value, path)]
    answered = min(told, key=lambda path: TOLD.index(path[-1]), default=None)
    if sent is not None and (answered is not None or (len(sent) > 1 and _answered(found[sent]))):
        plain = (
            answered is not None and len(sent) == len(answered) == 1 and isinstance(found[answered], Mapping)
        )
        return (None, None) if plain else (sent, answered)
    if answered is not None:
        texts = (
            path
            for name in ASKED
            for path, value in found.items()
            if path[-1] == name and isinstance(value, str)
        )
        asked = next(texts, None) or _named(found, ASKERS, PROMPTS)
        return (asked, answered) if asked is not None else (None, None)
    named = _named(found, TELLERS, RESPONSES)
    asked = sent or _named(found, ASKERS, PROMPTS)
    if named is None or asked is None or len(asked) == len(named) == 1 or asked[0] == named[0]:
        return None, None
    return asked, named


def _sent(found: Mapping[Path, object]) -> Path | None:
    """The turns that were sent: those of the likeliest name."""
    return next(
        (path for name in ASKED for path, value in found.items() if path[-1] == name and _are_turns(value)),
        None,
    )


def _named(found: Mapping[Path, object], holders: Sequence[str], names: Sequence[str]) -> Path | None:
    """The text that one of these holders is, or of its values the one with a usual name, or the only one."""
    for holder in holders:
        if isinstance(found.get((holder,)), str):
            return (holder,)
        texts = [path for path, value in found.items() if path[:-1] == (holder,) and isinstance(value, str)]
        usual = next((path for name in names for path in texts if path[1].lower() == name), None)
        if usual is not None or len(texts) == 1:
            return usual or texts[0]
    return None


def _fields(value: Mapping[str, object], above: Path, depth: int) -> Iterator[tuple[Path, object]]:
    """The fields of an object and of the objects in it, also of those that are text, with their paths."""
    inner = []
    for name, part in value.items():
        if isinstance(part, str) and part[:1] == "{":
            part = literal(part) or part
        if isinstance(part, Mapping):
            inner.append((str(name), part))
        yield (
            (*above, str(name)),
            (literal(part) or part) if isinstance(part, str) and part[:1] == "[" else part,
        )
    for name, part in inner if depth > 1 else ():
        if not is_turn(part):
            yield from _fields(part, (*above, name), depth - 1)


def _at(row: Row, path: Path) -> object:
    value: object = row
    for name in path:
        if isinstance(value, str):
            value = literal(value)
        value = value.get(name) if isinstance(value, Mapping) else None
    return (literal(value) or value) if isinstance(value, str) and value[:1] in ("[", "{") else value


def _of(request: Row, name: str) -> object:
    """The field of a request, whatever its capitals."""
    return next((value for key, value in request.items() if key.lower() == name), None)


def _are_turns(value: object) -> bool:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return are_turns(value)


def _answered(value: object) -> bool:
    return isinstance(value, list) and any(read.role == "assistant" for read in turns_of(value, "messages"))


def _is_answer(value: object, path: Path) -> bool:
    """Whether a value is what a model answered: a turn of it, or choices, candidates or items that hold one."""
    if path[-1] not in TOLD or any(name in UNTOLD for name in path):
        return False
    if isinstance(value, Mapping):
        return _is_told(value)
    listed = value if isinstance(value, list) and value else [None]
    if path[-1] == "messages":
        return _are_turns(value) and _is_told(listed[-1])
    if path[-1] in ("output", "outputs"):
        return all(_is_told(one) or (isinstance(one, Mapping) and one.get("type") in ITEMS) for one in listed)
    one = _first(listed)
    return isinstance(one, Mapping) and (
        is_turn(one)
        or isinstance(_turn_of(one), Mapping)
        or ("index" in one and isinstance(one.get("text"), str))
    )


def _is_told(value: object) -> bool:
    return is_turn(value) and isinstance(value, Mapping) and role_of(speaker(value)) in ("assistant", "tool")


def _first(listed: Sequence[object]) -> object:
    """The first answer, also of a batch of one (LangChain)."""
    one = listed[0]
    return one[0] if isinstance(one, list) and one else one


def _turn_of(one: Row) -> object:
    """The turn of a choice (OpenAI) or a candidate (Gemini), or its text."""
    turn = next((part for name in ("message", "content") if isinstance(part := one.get(name), Mapping)), None)
    return turn if turn is not None else one.get("text")


def _answer(value: object, where: str) -> list[Message]:
    """The only answer among choices (all the same, or one), or the turns of an answer. Raises BadRow."""
    if isinstance(value, str) and value:
        return [Message("assistant", value)]
    if is_turn(value):
        return read_turn(value, where, 0)
    if not isinstance(value, list) or not value:
        raise BadRow(f"field '{where}' is {kind_name(value)}, not an answer: the request may have failed")
    if all(is_turn(one) or (isinstance(one, Mapping) and one.get("type") in ITEMS) for one in value):
        return turns_of(value, where)
    listed = value[0] if isinstance(value[0], list) else value
    said = [_turn_of(one) if isinstance(one, Mapping) else one for one in listed]
    if any(one != said[0] for one in said[1:]):
        raise undecided(where, len(said))
    if isinstance(said[0], Mapping) and speaker(said[0]) is None:
        said[0] = {"role": "assistant", **said[0]}
    return [Message("assistant", said[0])] if isinstance(said[0], str) else read_turn(said[0], where, 0)
