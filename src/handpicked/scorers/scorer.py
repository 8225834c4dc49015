"""The contract of a scorer of text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from handpicked.method import Method
from handpicked.records import Better

Scope = Literal["item", "set"]


class ScoreColumn(Protocol):
    """One column of scores that goes with the batches of a pool: a scorer of text, or stored
    values that are looked up.
    """

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def better(self) -> Better: ...

    @property
    def missing(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def libraries(self) -> tuple[str, ...]: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def recorded(self) -> dict[str, object]: ...

    def __call__(self, batch: pa.RecordBatch) -> pa.Array: ...


class Scorer(Method, ABC):
    """Scores the rows of a batch by their text alone. A frozen dataclass; its fields
    are its recorded settings.

    It is picklable (it travels to the workers of a cluster) and safe to call from several threads at once.
    """

    unit: ClassVar[str] = ""
    """What one unit of its value is, such as ``tokens``."""
    better: ClassVar[Better] = "none"
    """Which end a selection by it keeps; ``none``: the user must say."""
    scope: ClassVar[Scope] = "item"
    """``item``: a row's value depends on that row alone, so the pool may be sharded. ``set``: it may not."""
    columns: ClassVar[tuple[str, ...]] = ("response",)
    """The columns of a pool it reads, of those that ``Shard.read`` offers."""
    missing: ClassVar[str] = "the row has no response"
    """Why a value is null where it is null."""
    measure: ClassVar[bool] = False
    """Whether it measures the length of a response, so that ``measure`` may name it."""
    ceiling: ClassVar[float | None] = None
    """The highest value that counts in a selection by it."""

    @abstractmethod
    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        """One value a row of ``batch``, in its order; null where there is none."""

    @property
    def recorded(self) -> dict[str, object]:
        """What a manifest records of it besides its settings, such as the identity of a tokenizer."""
        return {}
