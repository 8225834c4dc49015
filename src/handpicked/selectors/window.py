"""Random rows whose score lies between two quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handpicked.errors import ConfigError
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import TopK, id_numbers, numbers


@dataclass(frozen=True)
class Window:
    """``size`` random rows among those whose ``column`` lies between the quantiles ``low`` and ``high`` (0 to 1, both
    included). Quantiles are exact values of the pool (the inverse of its distribution function), so that every row of
    equal value is inside or outside; 8 bytes of memory a row. ``measure`` says that the column is this length, which is
    computed whatever fields the pool has.
    """

    column: str
    low: float = 0.0
    high: float = 1.0
    seed: int = 0
    measure: str | None = None
    name: ClassVar[str] = "window"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ConfigError(
                f"window: low {self.low} and high {self.high} must be quantiles, 0 <= low <= high <= 1."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        values = [numbers(batch[self.column], self.column) for batch in scores.batches((self.column,))]
        known = np.concatenate(values) if values else np.empty(0)
        known = known[~np.isnan(known)]
        if not len(known):
            return np.empty(0, np.int64)
        least, most = np.quantile(known, (self.low, self.high), method="inverted_cdf")
        top = TopK(np.array([size]))
        for batch in scores.batches((self.column,)):
            within = numbers(batch[self.column], self.column)
            inside = (within >= least) & (within <= most)
            high, low = (part[inside] for part in id_numbers(batch["id"]))
            rows = batch["row"].to_numpy()[inside]
            top.add(np.zeros(len(rows), np.int64), random_keys((high, low), self.seed), (high, low), rows)
        return top.rows()

    def why_not(self, size: int) -> str:
        return f"outside the {self.low:g} to {self.high:g} quantiles of {self.column}, or not among the {size:,} drawn"
