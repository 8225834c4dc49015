"""Quality and diversity blended in one greedy choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from handpicked.errors import ConfigError
from handpicked.selectors.coverage import lazy_greedy
from handpicked.selectors.embeddings import Embeddings, candidates, columns_of
from handpicked.selectors.facility_location import coverage_of
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class Qdit:
    """Quality-Diversity Instruction Tuning (Bukharin et al. 2024, arXiv 2311.14736): greedily the row a that maximises

        (1 - alpha) d(a | A) + alpha q(a)

    where d is what a adds to the facility location function of the rows A taken before it, and q its quality by
    ``column``. alpha 0 is facility location, alpha 1 the best by quality. The scale of q against d is ours, so that alpha
    means the same for every score: q runs from 0 to 1 (its least and greatest value among the rows), d is in rows (the sum of
    cosines gained). d falls as rows are taken, q does not: first comes diversity, then quality. A value over
    ``ceiling`` is none (IFD over 1).
    """

    column: str
    highest: bool = True
    ceiling: float | None = None
    alpha: float = 0.5
    neighbours: int | None = None
    embeddings: Embeddings | None = field(default=None, repr=False)
    name: ClassVar[str] = "qdit"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy", "scipy")

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"alpha: {self.alpha} is no share of quality; give 0 (diversity) to 1 (quality)."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        if not size or not len(rows):
            return np.empty(0, np.int64)
        quality = unit_range(rows.values[self.column] * (1 if self.highest else -1))

        def blend(gains: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            blended: np.ndarray[Any, Any] = (1 - self.alpha) * gains + self.alpha * quality[places]
            return blended

        return np.sort(rows.rows[lazy_greedy(coverage_of(rows, self.neighbours, self.name), size, blend)])

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} best by {self.column} and diversity (alpha {self.alpha:g})"


def unit_range(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values moved and stretched to 0 to 1; all 0 where they are equal."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ConfigError(
            "field: quality has infinite values, so that it has no scale to blend with diversity."
        )
    found: np.ndarray[Any, Any] = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return found
