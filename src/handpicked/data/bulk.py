"""Reads whole columns at once where prompts and responses are plain text columns.

The rules are those of ``formats`` and ``records``, in Arrow kernels; only the hashing is a loop. Where a
column is not text, holds bytes that are not UTF-8, or a history or system text is used, there is no batch
and the rows are read one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_128_digest

from handpicked.data.batch import CONVERT, DERIVED, TURNS, Reading, column_type
from handpicked.data.files.large import text_column
from handpicked.data.files.raw import Raw
from handpicked.data.formats.cells import BLANK
from handpicked.data.formats.row_format import NO_INPUT, Pairs
from handpicked.data.turn_columns import pair_roles, pair_tool_turns
from handpicked.records.response_parts import MARKED, thought_and_answer


def bulk_batch(
    batch: pa.RecordBatch, first_row: int, reading: Reading, columns: Sequence[str]
) -> pa.RecordBatch | None:
    """The readable rows with ``columns`` in that order, or ``None`` where the rows must be read one by one."""
    plain = understood(batch, reading, columns)
    return None if plain is None else batch_of(batch, *plain, first_row, reading, columns)


def batch_of(
    batch: pa.RecordBatch,
    prompt: pa.Array,
    response: pa.Array,
    readable: np.ndarray,
    first_row: int,
    reading: Reading,
    columns: Sequence[str],
) -> pa.RecordBatch:
    """The readable rows with ``columns`` in that order, of what was ``understood``."""
    rows = pa.array(np.arange(first_row, first_row + batch.num_rows))
    if not readable.all():
        mask = pa.array(readable)
        rows, prompt, response, batch = (part.filter(mask) for part in (rows, prompt, response, batch))
    made = {
        "row": lambda: rows,
        "id": lambda: _ids(prompt, response),
        "prompt": lambda: prompt,
        "response": lambda: response,
        "thought": lambda: _part(response, 0),
        "answer": lambda: _part(response, 1),
        "source": lambda: _sources(batch, reading),
        "turn_roles": lambda: pair_roles(response),
        "tool_turns": lambda: pair_tool_turns(prompt, response),
        TURNS: lambda: pa.nulls(len(rows), pa.large_string()),
    }
    arrays = [made[column]() if column in made else _original(batch, column, reading) for column in columns]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def unreadable(batch: pa.RecordBatch, reading: Reading) -> Sequence[int]:
    """The positions of the rows that may be unreadable: exactly those, or all where
    rows must be read one by one.
    """
    plain = understood(batch, reading)
    if plain is None:
        return range(batch.num_rows)
    found: list[int] = np.flatnonzero(~plain[2]).tolist()
    return found


def gathered(raw: Raw, reading: Reading, columns: Sequence[str] = ()) -> pa.RecordBatch | None:
    """Raw rows of a text file as columns: the fields of the format and the requested ones. ``None`` where a
    field of the format is not text throughout.
    """
    shape = reading.format
    if not isinstance(shape, Pairs) or shape.listed or shape.beside.rejected is not None:
        return None
    if not all(type(row) is dict for row in raw.rows):
        return None
    arrays = {}
    try:
        for field in shape.fields:
            values = [row.get(field) for row in raw.rows]
            if field in (shape.history, shape.beside.tools, shape.beside.reasoning):
                if any(values):
                    return None
                continue
            if field == shape.beside.label:
                arrays[field] = pa.array(values, pa.bool_())
                continue
            arrays[field] = text_column(values)
        if reading.source_field is not None:
            arrays[reading.source_field] = pa.array(
                [reading.source_of(row) for row in raw.rows], pa.large_string()
            )
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return None  # mixed types or lone surrogates
    for column in columns:
        if column not in DERIVED and column not in arrays:
            kind = column_type(column, reading.kinds)
            convert = CONVERT[reading.kinds[column]]
            arrays[column] = pa.array([convert(row.get(column)) for row in raw.rows], kind)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def understood(
    batch: pa.RecordBatch, reading: Reading, columns: Sequence[str] = ()
) -> tuple[pa.Array, pa.Array, np.ndarray] | None:
    """Prompt, response and whether each row is readable (a numpy mask), where these are plain text and
    ``columns`` ask for no messages.
    """
    shape = reading.format
    slow = {"messages", *shape.derived}.difference(batch.schema.names)
    if slow.intersection(columns) or not isinstance(shape, Pairs) or shape.listed:
        return None
    if shape.beside.rejected is not None:
        return None
    rare = (shape.history, shape.beside.system, shape.beside.tools, shape.beside.reasoning)
    if not all(_unused(batch, field) for field in rare):
        return None
    wanted = _wanted(batch, shape.beside.label)
    if wanted is None:
        return None
    prompts, further, response = (
        _text_column(batch, name) for name in (shape.prompt, shape.input, shape.response)
    )
    if prompts is None or further is None or response is None:
        return None
    none = pc.match_substring_regex(further, rf"\A(?:{'|'.join(NO_INPUT)})\z")
    prompt = _joined(prompts, pc.if_else(none, pa.scalar("", pa.large_string()), further))
    return prompt, response, _not_blank(prompt) & _not_blank(response) & wanted


def _wanted(batch: pa.RecordBatch, label: str | None) -> object:
    """Which rows have no label that is false (a numpy mask); ``None`` where the label is no
    column of true and false.
    """
    if label is None or label not in batch.schema.names:
        return np.ones(batch.num_rows, bool)
    column = batch.column(label)
    if not pa.types.is_boolean(column.type):
        return None
    return pc.fill_null(column, True).to_numpy(zero_copy_only=False)


def _part(response: pa.Array, place: int) -> pa.Array:
    """The thoughts (0) or the answers (1) of responses; few responses have a thought."""
    marked = np.flatnonzero(pc.match_substring_regex(response, MARKED).to_numpy(zero_copy_only=False))
    if not len(marked):
        return response if place else pa.repeat(pa.scalar("", pa.large_string()), len(response))
    parts = response.to_pylist() if place else [""] * len(response)
    for index in marked.tolist():
        parts[index] = thought_and_answer(response[index].as_py())[place]
    return pa.array(parts, pa.large_string())


def _not_blank(column: pa.Array) -> np.ndarray:
    """Which texts hold more than ASCII white space. Most show it in their first byte."""
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64, len(column) + 1, 8 * column.offset)
    filled = ends[1:] > ends[:-1]
    if not data or not len(column):
        return filled
    letters = np.frombuffer(data, np.uint8)
    first = letters[np.minimum(ends[:-1], len(letters) - 1)]
    for index in np.flatnonzero(filled & (first <= 32)):
        filled[index] = bool(column[int(index)].as_py().strip(BLANK))
    return filled


def _unused(batch: pa.RecordBatch, field: str | None) -> bool:
    """Whether an optional field holds nothing in this batch: absent, null, or empty texts or lists."""
    if field is None or field not in batch.schema.names:
        return True
    column = batch.column(field)
    if column.null_count == len(column):
        return True
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        longest = pc.max(pc.list_value_length(column)).as_py()
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        longest = pc.max(pc.binary_length(column)).as_py()
    else:
        return False
    return not longest


def _text_column(batch: pa.RecordBatch, field: str | None) -> pa.Array | None:
    """A column as large_string with null as empty; ``None`` where it is not a sound text."""
    if field is None or field not in batch.schema.names:
        return pa.repeat(pa.scalar("", pa.large_string()), batch.num_rows)
    column = batch.column(field)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (
        pa.types.is_string(column.type)
        or pa.types.is_large_string(column.type)
        or pa.types.is_null(column.type)
    ):
        return None
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return None
    column = column.cast(pa.large_string())
    return pc.fill_null(column, "") if column.null_count else column


def _joined(prompts: pa.Array, further: pa.Array) -> pa.Array:
    """Prompt and further input with a blank line between them, where both are there."""
    alone = pc.equal(pc.binary_length(further), 0)
    if pc.all(alone, min_count=0).as_py():
        return prompts
    both = pc.binary_join_element_wise(prompts, further, pa.scalar("\n\n", pa.large_string()))
    return pc.case_when(pc.make_struct(alone, pc.equal(pc.binary_length(prompts), 0)), prompts, further, both)


def _ids(prompt: pa.Array, response: pa.Array) -> pa.Array:
    """``records.messages_id`` of [user prompt, assistant response]: the netstrings are
    framed by Arrow, then hashed.
    """

    def text(value: str) -> pa.Scalar:
        return pa.scalar(value, pa.large_string())

    def size(column: pa.Array) -> pa.Array:
        return pc.binary_length(column).cast(pa.large_string())

    parts: list[pa.Array] = [
        text("4:user,"),
        size(prompt),
        text(":"),
        prompt,
        text(",9:assistant,"),
        size(response),
        text(":"),
        response,
        text(","),
    ]
    framed = pc.binary_join_element_wise(*parts, text(""))
    if not len(framed):
        return pa.array([], pa.string())
    _, offsets, data = framed.buffers()
    ends = np.frombuffer(offsets, np.int64, len(framed) + 1, 8 * framed.offset).tolist()
    view = memoryview(data)
    digests = b"".join([xxh3_128_digest(view[begin:end]) for begin, end in pairwise(ends)])
    places = np.arange(0, 32 * len(framed) + 1, 32, dtype=np.int32)
    buffers = [None, pa.py_buffer(places), pa.py_buffer(digests.hex().encode())]
    return pa.Array.from_buffers(pa.string(), len(framed), buffers)


def _sources(batch: pa.RecordBatch, reading: Reading) -> pa.Array:
    if reading.source_field is None or reading.source_field not in batch.schema.names:
        return pa.repeat(pa.scalar(reading.source, pa.string()), batch.num_rows)
    found = batch.column(reading.source_field).to_pylist()
    return pa.array(
        [value if isinstance(value, str) and value else reading.source for value in found], pa.string()
    )


def _original(batch: pa.RecordBatch, column: str, reading: Reading) -> pa.Array:
    """A column of the original rows as its kind; one that this file lacks is null."""
    kind = column_type(column, reading.kinds)
    if column not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    values = batch.column(column)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        if reading.kinds[column] == "text":
            return values.cast(kind)
    elif pa.types.is_integer(values.type) and reading.kinds[column] == "number":
        return values.cast(kind, safe=False)
    return pa.array([CONVERT[reading.kinds[column]](value) for value in values.to_pylist()], kind)
