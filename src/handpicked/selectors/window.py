"""Random rows whose score lies between two quantiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.config import Measure
from handpicked.errors import ConfigError
from handpicked.method import called
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores, Selector, SizeRule
from handpicked.selectors.topk import TopK, id_numbers, numbers


@dataclass(frozen=True)
class Window(Selector):
    """``size`` random rows among those whose ``column`` lies between the quantiles ``low`` and ``high`` (0 to
    1, both included). Quantiles are exact values of the pool (the inverse of its distribution function), so
    that every row of equal value is inside or outside; 8 bytes of memory a row.
    """

    column: str | None = field(default=None, metadata=called("field"))
    """The scorer, or the field of the pool, whose quantiles bound the rows. None: the length by ``measure``.
    """
    low: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The lower quantile, 0 to 1."""
    high: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The upper quantile, 0 to 1."""
    seed: int = 0
    """Seed of its random choices."""
    measure: Measure = "tokens"
    """What a length is counted in."""
    name: ClassVar[str] = "window"
    about: ClassVar[str] = "random rows between two quantiles (low, high) of a length or a column (field)"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError(
                f"window: low {self.low} and high {self.high} must be quantiles, 0 <= low <= high <= 1."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.ranked,)

    @property
    def ranked(self) -> str:
        """The column whose quantiles bound the rows."""
        return self.measure if self.column is None else self.column

    @property
    def length_columns(self) -> tuple[str, ...]:
        """See ``Selector``."""
        return (self.measure,) if self.column is None else ()

    @property
    def size_rule(self) -> SizeRule:
        """Without a size every row of the window is kept."""
        return "optional"

    def select(self, scores: Scores, size: int) -> np.ndarray:
        values = [numbers(batch[self.ranked], self.ranked) for batch in scores.batches((self.ranked,))]
        known = np.concatenate(values) if values else np.empty(0)
        known = known[~np.isnan(known)]
        if not len(known):
            return np.empty(0, np.int64)
        least, most = np.quantile(known, (self.low, self.high), method="inverted_cdf")
        top = TopK(np.array([size]))
        for batch in scores.batches((self.ranked,)):
            within = numbers(batch[self.ranked], self.ranked)
            inside = (within >= least) & (within <= most)
            high, low = (part[inside] for part in id_numbers(batch["id"]))
            rows = batch["row"].to_numpy()[inside]
            top.add(np.zeros(len(rows), np.int64), random_keys((high, low), self.seed), (high, low), rows)
        return top.rows()

    def why_not(self, size: int) -> str:
        return f"outside the {self.low:g} to {self.high:g} quantiles of {self.ranked}, or not among the {size:,} drawn"
