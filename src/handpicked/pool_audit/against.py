"""What a pool has in common with other files: evaluation prompts, or rows that you already have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.data import paths, read, read_prompts
from handpicked.errors import PoolError
from handpicked.pool_audit.columns import Renamed
from handpicked.pool_audit.guards import SHOWN
from handpicked.pool_audit.places import Gallery
from handpicked.pool_audit.record import Against, Common, Match
from handpicked.records import Example, Message, Turns
from handpicked.scorers.text.overlap import PromptOverlap
from handpicked.scorers.text.prompt_hash import PromptHash
from handpicked.selectors.topk import id_numbers

NO_ID = "0" * 32
"""Stands in for the id of a prompt, which is not a conversation."""


class Known:
    """Ids (32 hex digits) to look up, each with the item (from 1) that it is of: the
    first, where several are.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        high, low = id_numbers(pa.array(ids, pa.large_string()))
        order = np.lexsort((np.arange(len(ids)), low, high))
        first = np.ones(len(ids), bool)
        first[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
        self._items = order[first] + 1
        self._high, self._low = high[order][first], low[order][first]

    def items(self, ids: pa.Array) -> np.ndarray:
        """The item of each id, 0 where it is of none."""
        high, low = id_numbers(ids)
        if not len(self._high):
            return np.zeros(len(high), np.int64)
        at = np.minimum(np.searchsorted(self._high, high), len(self._high) - 1)
        return np.where((self._high[at] == high) & (self._low[at] == low), self._items[at], 0)


@dataclass(frozen=True, eq=False)
class Reference:
    """A file (or a folder, a glob) to compare with: the turns of each item. ``number`` is its place."""

    name: str
    number: int
    kind: Literal["rows", "prompts"]
    conversations: Known | None
    prompts: Known
    texts: tuple[tuple[str, str], ...]
    items: int
    unreadable: int

    @cached_property
    def column(self) -> Renamed:
        """The item of which a row has 13 words in a row, as a score."""
        overlap = PromptOverlap(self.texts)
        return Renamed(overlap, f"overlap with {self.number}", overlap.columns)


@dataclass(frozen=True)
class Item:
    """A row or a prompt to compare with: its id (empty for a prompt), the text of its prompt, its user turns."""

    id: str
    prompt: str
    texts: tuple[str, ...]


def read_reference(name: str, number: int, turns: Turns) -> Reference:
    """The rows (by the rule ``turns``) or prompts of a file, a folder or a glob. They are held in memory.

    Raises:
        PoolError: there is none, or it holds neither rows nor prompts.
    """
    items: list[Item] = []
    unreadable = 0
    rows_only = True
    for file in [one.path for one in paths.files([name])[0]]:
        try:
            pool = read(file, turns=turns)
            found = [_row(one) for one in pool.examples()]
            unreadable += pool.rows - len(found) if found else 0
            why = "none of its rows can be read as rows with a response"
        except PoolError as error:
            found, why = [], str(error)
        rows_only &= bool(found)
        items += found or _prompts(name, str(file), why)
    return Reference(
        name,
        number,
        "rows" if rows_only else "prompts",
        Known([one.id or NO_ID for one in items]) if any(one.id for one in items) else None,
        Known(_hashes(items)),
        tuple((str(place), text) for place, one in enumerate(items, start=1) for text in one.texts),
        len(items),
        unreadable,
    )


def _row(example: Example) -> Item:
    last = max(place for place, turn in enumerate(example.messages) if turn.learned)
    return Item(example.id, example.prompt, _prompt_texts(example.messages[:last]))


def _prompts(name: str, file: str, why: str) -> list[Item]:
    try:
        found = [Item("", one.text, _prompt_texts(one.messages)) for one in read_prompts(file, "against")]
    except PoolError as error:
        raise PoolError(
            f"--against {name}: it holds neither rows ({why}) nor evaluation prompts ({error})"
        ) from error
    if not found:
        raise PoolError(f"--against {name}: {file} holds no prompts, so there is nothing to compare with.")
    return found


def _prompt_texts(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(turn.content for turn in messages if turn.role == "user")


def _hashes(items: Sequence[Item]) -> list[str]:
    texts = pa.array([one.prompt for one in items], pa.large_string())
    hashes: list[str] = PromptHash()(pa.RecordBatch.from_arrays([texts], names=["prompt"])).to_pylist()
    return hashes


@dataclass
class CommonTally:
    """Counts rows by what they have in common with other files."""

    rows: int = 0
    conversations: int = 0
    prompts: int = 0
    overlaps: int = 0

    def add(self, conversations: np.ndarray, prompts: np.ndarray, overlaps: np.ndarray) -> None:
        """Count the rows of a batch: of each what is not 0."""
        self.conversations += int(np.count_nonzero(conversations))
        self.prompts += int(np.count_nonzero(prompts))
        self.overlaps += int(np.count_nonzero(overlaps))
        self.rows += int(np.count_nonzero((conversations != 0) | (prompts != 0) | (overlaps != 0)))

    def result(self) -> Common:
        """What was counted."""
        return Common(self.rows, self.conversations, self.prompts, self.overlaps)


class AgainstTally:
    """Counts the rows that have something in common with ``references``: with each, and with any."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self._references = references
        self._each = [CommonTally() for _ in references]
        self._any = CommonTally()
        self._first: list[list[tuple[int, int]]] = [[] for _ in references]

    @property
    def first(self) -> list[int]:
        """The rows to show."""
        return [row for found in self._first for row, _ in found]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count those of a batch."""
        every = [np.zeros(len(batch), np.int64) for _ in range(3)]
        for reference, counted, first in zip(self._references, self._each, self._first, strict=True):
            found = _items(reference, batch)
            counted.add(*found)
            every = [one | other for one, other in zip(every, found, strict=True)]
            item = np.select([one > 0 for one in found], found)
            for place in np.flatnonzero(item)[: SHOWN - len(first)].tolist():
                first.append((batch["row"][place].as_py(), int(item[place])))
        self._any.add(*every)

    def any(self) -> Common | None:
        """What is in common with any of them; None where there are none."""
        return self._any.result() if self._references else None

    def each(self, gallery: Gallery) -> tuple[Against, ...]:
        """What is in common with each of them."""
        return tuple(
            Against(
                one.name,
                one.kind,
                one.items,
                one.unreadable,
                counted.result(),
                tuple(Match(gallery.shown(row), item) for row, item in first),
            )
            for one, counted, first in zip(self._references, self._each, self._first, strict=True)
        )


def _items(reference: Reference, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The item of the reference with the conversation of each row, with its prompt, and with 13 words of it
    in a row; 0 where there is none.
    """
    known = reference.conversations
    same = np.zeros(len(batch), np.int64) if known is None else known.items(batch["id"])
    label = pc.fill_null(batch[reference.column.name], "0").cast(pa.int64())
    return same, reference.prompts.items(batch[PromptHash.name]), label.to_numpy(zero_copy_only=False)
