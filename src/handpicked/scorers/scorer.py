"""What a scorer is."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import pyarrow as pa

from handpicked.records import Better, Cost

Scope = Literal["item", "set"]


@runtime_checkable
class Scorer(Protocol):
    """A frozen dataclass that is called on a batch; its fields are its recorded arguments.

    It is picklable (it travels to the workers of a cluster) and safe to call from several threads at once.
    """

    @property
    def name(self) -> str:
        """The name of its score column."""
        ...

    @property
    def unit(self) -> str:
        """What one unit of its value is, such as ``tokens``."""
        ...

    @property
    def better(self) -> Better: ...

    @property
    def scope(self) -> Scope:
        """``item``: a row's value depends on that row alone, so the pool may be sharded. ``set``: it may not."""
        ...

    @property
    def cost(self) -> Cost: ...

    @property
    def version(self) -> int:
        """Raised when a value of any row changes, and only then (``fingerprint.Method``)."""
        ...

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions that compute the values, where their versions may change one."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a pool it reads, of those that ``Shard.read`` offers."""
        ...

    @property
    def missing(self) -> str:
        """Why a value is null where it is null."""
        ...

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        """One value a row of ``batch``, in its order; null where there is none."""
        ...
