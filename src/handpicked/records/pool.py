"""A pool and its rows: examples, those that cannot be read, and the protocol by which all others read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from handpicked.records.message import Json, Message

if TYPE_CHECKING:
    import pyarrow as pa

Turns = Literal["last", "all"]

Runner = Literal["native", "ray"]
"""Where rows are read and scored: in this process, or on a Ray cluster."""


@dataclass(frozen=True, slots=True)
class Example:
    """One demonstration of a pool.

    ``row`` is its position in the pool, the key everything joins on; ``id`` is the hash of its messages,
    equal for exact duplicates. ``prompt`` and ``response`` are texts derived from the messages by the rule of
    ``turns``: under ``last`` the response is the final assistant turn that is learned and the prompt
    everything before it; under ``all`` the response is every such turn, joined by blank lines. The response
    is all that a model must write: ``Message.text``, with thought and tool calls. ``original`` is the row as
    it came, untouched.
    """

    row: int
    id: str
    messages: tuple[Message, ...]
    prompt: str
    response: str
    source: str
    original: Mapping[str, object]


class Shard(Protocol):
    """A contiguous run of a pool's rows that one worker reads. Picklable, so that it
    may travel to another host.

    ``first_row`` is the pool row of its first row; ``rows`` counts its rows, rejected ones included.
    """

    @property
    def first_row(self) -> int: ...

    @property
    def rows(self) -> int: ...

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Its readable rows in order, in batches of bounded size.

        ``columns`` names any of: row (int64), id (string, 32 hex digits), prompt, response,
        thought, answer (large_string), source (string), messages (list of role and content), turn_roles
        and tool_turns (see ``data.turn_columns``), and any column of the original rows by its own name. Rows
        that cannot be read are left out; ``Pool.rejected`` lists them.
        """
        ...


AtHand = Callable[[Sequence[int]], "Iterator[pa.Table] | None"]
"""Rows (ascending) as they came, in order, or ``None`` where they must be read."""


class Pool(Protocol):
    """A supervised fine-tuning data set that has been recognised and can be
    streamed. ``data.read`` makes one.

    ``format`` is the recognised row format and ``why`` one sentence saying how it was recognised.
    """

    @property
    def format(self) -> str: ...

    @property
    def why(self) -> str: ...

    @property
    def rows(self) -> int: ...

    @property
    def shards(self) -> Sequence[Shard]: ...

    def examples(self, rows: Sequence[int] | None = None) -> Iterator[Example]:
        """The readable rows as Examples in pool order; ``rows`` (ascending) restricts them."""
        ...

    def rejected(self) -> Iterator[Rejected]:
        """Every row that could not be read, in pool order: where and why."""
        ...

    def inputs(self) -> Sequence[Json]:
        """The files read: path, bytes, sha256, rows."""
        ...

    def write(
        self,
        rows: Sequence[int],
        out: Path,
        format: str = "original",
        container: str | None = None,
        at_hand: AtHand | None = None,
    ) -> Path:
        """Write these rows (ascending) below folder ``out`` as ``selected.jsonl`` or
        ``.parquet`` and return the file.

        ``at_hand`` may give rows of a Parquet or Arrow pool as they came, so that
        they need not be read again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read: its place in the pool and in its file, and why. Counted,
    written, never silently dropped.
    """

    row: int
    file: str
    place: str
    reason: str
    excerpt: str = ""


@dataclass(frozen=True)
class Unread:
    """A field that is not part of the conversation, and in how many of the ``of`` rows
    looked at it holds something.

    ``turns[].field`` is a field of turns; it is counted by turns.
    """

    field: str
    rows: int
    of: int
