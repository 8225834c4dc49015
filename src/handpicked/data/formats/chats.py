"""Recognises rows whose turns lie in one field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handpicked.data.formats.cells import Row, literal
from handpicked.data.formats.field_names import CHATS, OF_OBJECTS, PREFERENCES, RESPONSES
from handpicked.data.formats.pairs import pairs
from handpicked.data.formats.row_format import Chat, RowFormat
from handpicked.data.formats.turns import (
    SAID,
    SPEAKERS,
    are_pairs,
    is_turn,
    role_of,
    round_of,
    speaker,
    unwrapped,
)

USUAL = (
    "system",
    "developer",
    "user",
    "human",
    "assistant",
    "gpt",
    "model",
    "tool",
    "function",
    "observation",
)
"""Words for speakers that need no remark."""


def chat(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The first of the usual turn fields that holds lists of turns."""
    for field in CHATS:
        turn = _first_turn(rows, field)
        if turn is None or (field == "chosen" and "prompt" in fields):
            continue
        answer = _preferred(fields, field) or _answer_beside(rows, fields, field)
        preferred = f", followed by the answer in '{answer}'" if answer else ""
        round_ = round_of(turn) if isinstance(turn, Mapping) else None
        if field in OF_OBJECTS and not ((is_turn(turn) or round_) and pairs(rows, fields) is None):
            continue
        if isinstance(turn, list):
            return Chat(field, field, answer), f"field '{field}' is a list of pairs of texts{preferred}"
        if isinstance(turn, str):
            why = f"field '{field}' is a list of texts, read as user and assistant in turn{preferred}"
            return Chat(field, field, answer), why
        if isinstance(turn, Mapping) and "from" in turn and "value" in turn:
            return Chat(
                "sharegpt", field, answer
            ), f"field '{field}' is a list of turns with from and value{preferred}"
        if isinstance(turn, Mapping) and ("role" in turn or is_turn(turn)):
            whose = next((name for name in (*SPEAKERS, "type") if name in turn), "a role")
            said = next((name for name in ("parts", *SAID) if name in turn), "what it says")
            why = f"field '{field}' is a list of turns with {whose} and {said}{preferred}{_read_as(rows, field)}"
            return Chat("messages", field, answer), why
        rows_of_file = field == "data"  # a file's only object has its rows there
        if round_ is not None and not rows_of_file:
            why = f"field '{field}' is a list of rounds with {round_[0]} and {round_[1]}{preferred}"
            return Chat("rounds", field, answer), why
    return None


def some_chat(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The only field, of whatever name, that holds lists of turns of which an assistant's is one."""
    found = [field for field in fields if any(_is_answered(_listed(row.get(field))) for row in rows)]
    if len(found) != 1:
        return None
    return Chat("messages", found[0]), f"field '{found[0]}' is a list of turns"


def _is_answered(turns: Sequence[object]) -> bool:
    return (
        bool(turns)
        and all(map(is_turn, turns))
        and any(
            role_of(speaker(unwrapped(turn))) == "assistant" for turn in turns if isinstance(turn, Mapping)
        )
    )


def _preferred(fields: Sequence[str], field: str) -> str | None:
    """The field of the preferred answer, which ends the turns."""
    if field != "chosen" and "chosen" in fields:
        return "chosen"
    both = (
        better for better, worse in PREFERENCES if better in fields and worse in fields and better != field
    )
    return next(both, None)


def _read_as(rows: Sequence[Row], field: str) -> str:
    """Which role each unusual word for a speaker is read as, for the user to see."""
    turns = (turn for row in rows for turn in _listed(row.get(field)) if isinstance(turn, Mapping))
    words = dict.fromkeys(word.strip() for turn in turns if isinstance(word := turn.get("role"), str))
    read = ((word, role_of(word)) for word in words if word.lower() not in USUAL)
    told = [f"{word} as {role}" for word, role in read if role is not None and role != word.lower()]
    return f"; read roles: {', '.join(told)}" if told else ""


def _answer_beside(rows: Sequence[Row], fields: Sequence[str], field: str) -> str | None:
    """The field with the answer to turns that all end before it: with the user's or a tool's."""
    answer = next((name for name in RESPONSES if name in fields and name != field), None)
    for row in rows if answer is not None else ():
        value = row.get(field)
        last = next(reversed(_listed(value)), None)
        said = speaker(unwrapped(last)) if isinstance(last, Mapping) else "assistant"
        if not isinstance(said, str) or role_of(said) in ("assistant", None):
            return None
    return answer


def _listed(value: object) -> Sequence[object]:
    """The turns of a field, also where they are text."""
    listed = literal(value) if isinstance(value, str) else value
    return listed if isinstance(listed, list) else ()


def _first_turn(rows: Sequence[Row], field: str) -> object:
    """The first turn of the first row that has one, if it looks like a turn."""
    for row in rows:
        value = row.get(field)
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            value = literal(value)
        if isinstance(value, Mapping) and all(isinstance(part, list) for part in value.values()):
            value = [value]  # one list for each field of the turns
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]  # the only conversation of a batch
        first = next((one for one in value if one is not None), None) if isinstance(value, list) else None
        if isinstance(first, str | Mapping) or are_pairs(value):
            return first
    return None
