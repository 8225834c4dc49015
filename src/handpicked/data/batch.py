"""Turns raw rows into Examples, Arrow batches, or rejected rows, by one rule."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Literal

import pyarrow as pa

from handpicked.data.files.large import text_column
from handpicked.data.files.raw import Damage, Raw, excerpt
from handpicked.data.formats.cells import BadRow
from handpicked.data.formats.row_format import RowFormat, texts, thought_and_answer_of
from handpicked.data.turn_columns import tool_turns, turn_roles
from handpicked.errors import PoolError, did_you_mean
from handpicked.records import Example, Message, Rejected, Turns, messages_id

Kind = Literal["text", "number", "bool"]
Place = Literal["line", "row", "row of the array"]
"""What the number of a row's place counts."""
NUMBER = re.compile(r"\s*[+-]?(\d{1,400}(\.\d*)?|\.\d{1,400})([eE][+-]?\d{1,4})?\s*", re.ASCII)
TURNS = "turns as JSON"
"""The column with all that a conversation says (``Message.fields``, a JSON list), null where it is the prompt
as one user's turn and the response as the only answer.
"""
DERIVED = (
    "row", "id", "prompt", "response", "thought", "answer", "source", "messages", "turn_roles", "tool_turns",
    TURNS,
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How the rows of one file are understood, and where it lies in the pool.

    ``kinds`` gives each original field its column type: ``text`` (anything that is not text becomes JSON),
    ``number`` (float64) or ``bool``; ``source_field`` names the field that holds a row's source, else it is
    ``source``.
    """

    file: str
    source: str
    format: RowFormat
    turns: Turns
    kinds: Mapping[str, Kind]
    source_field: str | None
    place: Place

    def source_of(self, row: Mapping[str, object]) -> str:
        value = row.get(self.source_field) if self.source_field else None
        return value if isinstance(value, str) and value else self.source

    def understood(self, value: object) -> tuple[list[Message], str, str]:
        """Messages, prompt and response of a raw row. Raises BadRow with the reason."""
        if not isinstance(value, dict):
            if isinstance(value, Damage):
                raise BadRow(value.reason)
            raise BadRow(f"the row is {_json_kind(value)}, not an object with fields")
        messages = self.format.messages(value)
        prompt, response = texts(messages, self.turns)
        if not (prompt.isascii() and response.isascii()):
            messages = [_sound(turn) for turn in messages]
            prompt, response = texts(messages, self.turns)
        return messages, prompt, response


def _sound(turn: Message) -> Message:
    """A turn without lone surrogates in its texts."""
    content, further = utf8(turn.content), utf8(turn.input)
    calls = tuple(replace(call, name=utf8(call.name), arguments=utf8(call.arguments)) for call in turn.calls)
    return replace(turn, content=content, input=further, reasoning=utf8(turn.reasoning), calls=calls)


def utf8(text: str) -> str:
    """A text without lone surrogates (which JSON can carry and UTF-8 cannot): they become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("�" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    return text


def examples(raw: Raw, rows: Sequence[int], reading: Reading) -> Iterator[Example]:
    """The readable rows of ``raw`` as Examples; ``rows`` are their numbers in the pool."""
    for number, row in zip(rows, raw.rows, strict=True):
        try:
            messages, prompt, response = reading.understood(row)
        except BadRow:
            continue
        source = reading.source_of(row)
        yield Example(number, messages_id(messages), tuple(messages), prompt, response, source, row)


def rejects(raw: Raw, rows: Sequence[int], reading: Reading) -> Iterator[Rejected]:
    """The rows of ``raw`` that cannot be read; ``rows`` are their numbers in the pool."""
    for number, line, row in zip(rows, raw.lines, raw.rows, strict=True):
        try:
            reading.understood(row)
        except BadRow as error:
            shown = row.excerpt if isinstance(row, Damage) else _shown(row)
            kind, _, of = reading.place.partition(" ")
            yield Rejected(number, reading.file, f"{kind} {line} {of}".rstrip(), utf8(str(error)), shown)


def to_batch(raw: Raw, first_row: int, reading: Reading, columns: Sequence[str]) -> pa.RecordBatch:
    """The readable rows of ``raw`` as one Arrow batch with ``columns`` in that order."""
    rows: list[int] = []
    kept: list[Mapping[str, object]] = []
    said: list[list[Message]] = []
    prompts: list[str] = []
    responses: list[str] = []
    for index, value in enumerate(raw.rows):
        try:
            messages, prompt, response = reading.understood(value)
        except BadRow:
            continue
        rows.append(first_row + index)
        kept.append(value)
        said.append(messages)
        prompts.append(prompt)
        responses.append(response)
    arrays = []
    for column in columns:
        kind = column_type(column, reading.kinds)
        if column == "row":
            values: Sequence[object] = rows
        elif column == "id":
            values = [messages_id(messages) for messages in said]
        elif column == "prompt":
            values = prompts
        elif column == "response":
            values = responses
        elif column == "source":
            values = [utf8(reading.source_of(row)) for row in kept]
        elif column in ("thought", "answer"):
            place = ("thought", "answer").index(column)
            values = [thought_and_answer_of(messages, reading.turns)[place] for messages in said]
        elif column == TURNS:
            values = [turns_json(*one) for one in zip(said, prompts, responses, strict=True)]
        elif column == "messages":
            values = [
                [{"role": turn.role, "content": turn.content} for turn in messages] for messages in said
            ]
        elif column == "turn_roles":
            values = [turn_roles(messages) for messages in said]
        elif column == "tool_turns":
            values = [None if text is None else utf8(text) for text in map(tool_turns, said)]
        else:
            convert = CONVERT[reading.kinds[column]]
            values = [
                convert(row[column] if column in row else reading.format.value(row, column)) for row in kept
            ]
        arrays.append(text_column(values) if kind == pa.large_string() else pa.array(values, kind))
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def turns_json(messages: Sequence[Message], prompt: str, response: str) -> str | None:
    """See ``TURNS``."""
    if tuple(messages) == (Message("user", prompt), Message("assistant", response)):
        return None
    return utf8(json.dumps([turn.fields() for turn in messages], default=asdict, ensure_ascii=False))


def column_type(column: str, kinds: Mapping[str, Kind]) -> pa.DataType:
    """The Arrow type of a column. Raises PoolError for one that the pool does not have."""
    derived = {
        "row": pa.int64(),
        "id": pa.string(),
        "prompt": pa.large_string(),
        "response": pa.large_string(),
        "thought": pa.large_string(),
        "answer": pa.large_string(),
        "source": pa.string(),
        "turn_roles": pa.string(),
        "tool_turns": pa.large_string(),
        TURNS: pa.large_string(),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.large_string())])),
    }
    if column in derived:
        return derived[column]
    if column not in kinds:
        raise PoolError(f"the pool has no column '{column}'.{did_you_mean(column, (*DERIVED, *kinds))}")
    return {"text": pa.large_string(), "number": pa.float64(), "bool": pa.bool_()}[kinds[column]]


def kind_of(values: Sequence[object], cells: bool = False) -> Kind:
    """The column type that these values of one field call for; ``cells`` are texts of
    which a number may be one.
    """
    present = [value for value in values if value is not None and (value != "" or not cells)]
    if cells and present and all(isinstance(value, str) and NUMBER.fullmatch(value) for value in present):
        return "number"
    if present and all(isinstance(value, bool) for value in present):
        return "bool"
    if present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        return "number"
    return "text"


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    return utf8(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _as_number(value: object) -> float | None:
    """A number as float64; that of a text which is one (a CSV cell); NaN and what is too large are null."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) or (isinstance(value, str) and math.isinf(number)) else number


CONVERT: Mapping[Kind, Callable[[object], object]] = {
    "text": _as_text,
    "number": _as_number,
    "bool": lambda value: value if isinstance(value, bool) else None,
}


def _shown(row: object) -> str:
    return excerpt(json.dumps(row, default=str, ensure_ascii=False))


def _json_kind(value: object) -> str:
    names = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "null")
