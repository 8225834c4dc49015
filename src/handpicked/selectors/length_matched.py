"""Random rows with the length histogram of another subset: a control for length."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.config import Measure
from handpicked.errors import ConfigError
from handpicked.method import HIDDEN
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores, Selector, SizeRule
from handpicked.selectors.topk import TopK, id_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


WIDTH = 1.1
"""A length bin reaches from one length to 10% above it."""


def length_bins(lengths: Any) -> np.ndarray:
    """The bin of each length: ``floor(log(length) / log(1.1))``, with a separate bin for length 0."""
    values = np.asarray(lengths, dtype=np.float64)
    return np.where(values < 1, 0, 1 + np.floor(np.log(np.maximum(values, 1)) / np.log(WIDTH) + 1e-9)).astype(
        np.int64
    )


@dataclass(frozen=True)
class LengthMatched(Selector):
    """As many random rows in each length bin as ``lengths``, the response lengths of the
    subset to match, has there.

    A bin with too few rows in the pool gives what it has, and the rest is made up from the nearest bins (the
    shorter first). Against the longest rows of the same pool it must choose mostly these same rows: nothing
    else is that long. ``without`` are ids of rows not to draw, such as those of the subset itself: then the
    control is other rows, as near in length as the pool has them.
    """

    lengths: tuple[int, ...] | None = field(default=None, metadata=HIDDEN)
    measure: Measure = "tokens"
    """What a length is counted in."""
    seed: int = 0
    """Seed of its random choices."""
    without: frozenset[str] = field(default=frozenset(), metadata=HIDDEN)
    of: str | None = None
    """The arm (or, on the command line, the folder of a subset) whose length histogram is copied."""
    disjoint: bool = False
    """Draw none of the rows of ``of`` itself. Only the longest rows of a pool match their own lengths, so
    their control must be other rows, as near in length as possible.
    """
    name: ClassVar[str] = "length-matched"
    about: ClassVar[str] = "random rows with the length histogram of another arm: a control for length"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    def __post_init__(self) -> None:
        if self.lengths is None and self.of is None:
            raise ConfigError("of: 'length-matched' needs the folder of the subset whose lengths it copies.")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.measure,)

    @property
    def size_rule(self) -> SizeRule:
        """It takes as many rows as the other subset has."""
        return "optional"

    def size_without(self, rows: int) -> int:
        """See ``Selector``."""
        return len(self.lengths or ())

    @property
    def copies(self) -> str | None:
        """See ``Selector``."""
        return self.of

    def with_subset(self, lengths: Sequence[int], ids: Iterable[str]) -> LengthMatched:
        """See ``Selector``."""
        return replace(self, lengths=tuple(lengths), without=frozenset(ids) if self.disjoint else frozenset())

    def select(self, scores: Scores, size: int) -> np.ndarray:
        lengths = self.lengths or ()
        if size != len(lengths):
            raise ConfigError(
                f"length-matched: size {size:,} differs from the {len(lengths):,} rows "
                "of the subset whose lengths are "
                "matched. Leave the size out."
            )
        if not lengths:
            return np.empty(0, np.int64)
        wanted = np.bincount(length_bins(lengths))
        available = np.zeros(len(wanted), dtype=np.int64)
        for batch in self._eligible(scores):
            counts = np.bincount(length_bins(batch[self.measure]))
            longest = max(len(available), len(counts))
            available = np.pad(available, (0, longest - len(available))) + np.pad(
                counts, (0, longest - len(counts))
            )
        quotas = nearest_quotas(np.pad(wanted, (0, len(available) - len(wanted))), available)
        top = TopK(quotas)
        for batch in self._eligible(scores):
            ids = id_numbers(batch["id"])
            bins = length_bins(batch[self.measure])
            top.add(bins, random_keys(ids, self.seed), ids, batch["row"].to_numpy())
        return top.rows()

    def _eligible(self, scores: Scores) -> Iterator[pa.RecordBatch]:
        """The rows that have a length and may be drawn."""
        without = pa.array(sorted(self.without), pa.large_string())
        for batch in scores.batches((self.measure,)):
            valued = batch.filter(batch[self.measure].is_valid())
            if self.without:
                valued = valued.filter(
                    pc.invert(pc.is_in(valued["id"].cast(pa.large_string()), value_set=without))
                )
            yield valued

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} drawn with seed {self.seed} to match the lengths of the other subset"


def nearest_quotas(wanted: np.ndarray, available: np.ndarray) -> np.ndarray:
    """``wanted`` rows a bin, cut to what is ``available``, the rest moved to the nearest
    bins that have rows left.
    """
    quotas: np.ndarray = np.minimum(wanted, available)
    for place in np.flatnonzero(wanted > available).tolist():
        short = int(wanted[place] - available[place])
        for other in sorted(range(len(wanted)), key=lambda bin_: (abs(bin_ - place), bin_)):
            moved = min(short, int(available[other] - quotas[other]))
            quotas[other] += moved
            short -= moved
    return quotas
