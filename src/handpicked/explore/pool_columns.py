"""The columns that every pool has: its texts, their lengths, its own fields, and people's notes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.explore.columns import Category, Column, Number, Text
from handpicked.explore.index import Field, Index
from handpicked.explore.notes import NoteFile

READABLE = ("readable", "rejected")
MARKS = ("flag", "note")


def pool_columns(index: Index) -> list[Column]:
    """Prompt, response, lengths in characters, turns, and every field outside the conversation."""
    columns: list[Column] = [
        Text("prompt", lambda: index.chunks("prompt")),
        Text("response", lambda: index.chunks("response")),
        _length(index, "prompt"),
        _length(index, "response"),
        _number(index, "turns", "turns", "in the conversation"),
    ]
    return [*columns, *(_field(index, one) for one in index.fields)]


def readable(index: Index) -> tuple[Category, Category]:
    """Whether each row could be read, and why not."""

    def state() -> tuple[np.ndarray, Sequence[str]]:
        return index.unread_rows.astype(np.int32), READABLE

    def reason() -> tuple[np.ndarray, Sequence[str]]:
        texts = sorted({one["reason"] for one in index.rejections.values()})
        codes = np.full(index.rows, -1, np.int32)
        for row, one in index.rejections.items():
            codes[row] = texts.index(one["reason"])
        return codes, texts

    return (
        Category("state", state, "whether the row could be read", lambda row: READABLE[index.unread(row)]),
        Category("reason", reason, "why the row could not be read"),
    )


class Noted(Category):
    """Which rows have a note or a flag, of anyone, as the file of notes says at this moment."""

    def __init__(self, name: str, index: Index, notes: NoteFile) -> None:
        super().__init__(name, lambda: (self.codes, MARKS), "flags and notes of people")
        self.index = index
        self.notes = notes

    @property
    def codes(self) -> np.ndarray:
        """See ``Category``. A flag counts more than a note; those on a row that has changed do not count."""
        found = np.full(self.index.rows, -1, np.int32)
        for note in self.notes.standing().values():
            if note.about == "row" and note.row < self.index.rows and self._fits(note.row, note.id):
                found[note.row] = 0 if note.flag else 1 if found[note.row] != 0 else 0
        return found

    @property
    def texts(self) -> Sequence[str]:
        """See ``Category``."""
        return MARKS

    def _fits(self, row: int, id: str) -> bool:
        return (self.index.value(row, "id") or "") == id


def _field(index: Index, one: Field) -> Column:
    about = "a field of the pool"
    if one.kind == "number":
        return _number(index, one.name, one.column, about)
    if one.kind == "text" and not one.few:
        return Text(one.name, lambda: index.chunks(one.column), about)

    def load() -> tuple[np.ndarray, Sequence[str]]:
        values: pa.ChunkedArray = pa.chunked_array(index.chunks(one.column))
        encoded = pc.dictionary_encode(pc.cast(values, pa.string())).combine_chunks()
        encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return codes.astype(np.int32), encoded.dictionary.to_pylist()

    def at(row: int) -> str | None:
        value = index.value(row, one.column)
        return str(value).lower() if isinstance(value, bool) else value

    return Category(one.name, load, about, at)


def _number(index: Index, name: str, column: str, about: str) -> Number:
    return Number(name, lambda: _numbers(index, column), about, lambda row: index.value(row, column))


def _length(index: Index, column: str) -> Number:
    def at(row: int) -> float | None:
        text = index.value(row, column)
        return None if text is None else float(len(text))

    return Number(f"{column} characters", lambda: _lengths(index, column), one=at)


def _numbers(index: Index, column: str) -> np.ndarray:
    chunks = [pc.fill_null(chunk, np.nan).to_numpy(zero_copy_only=False) for chunk in index.chunks(column)]
    return np.concatenate([*chunks, np.zeros(0)])


def _lengths(index: Index, column: str) -> np.ndarray:
    chunks = [pc.cast(pc.utf8_length(chunk), pa.float64()) for chunk in index.chunks(column)]
    return np.concatenate(
        [*(pc.fill_null(chunk, np.nan).to_numpy(zero_copy_only=False) for chunk in chunks), np.zeros(0)]
    )
