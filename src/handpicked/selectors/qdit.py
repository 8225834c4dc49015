"""Quality and diversity combined in one greedy choice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.coverage import lazy_greedy
from handpicked.selectors.embeddings import Embeddings, candidates, columns_of
from handpicked.selectors.facility_location import check_rows, coverage_need, coverage_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Needs, Scores, Selector


@dataclass(frozen=True)
class Qdit(Selector):
    """Quality-Diversity Instruction Tuning (Bukharin et al. 2024, arXiv 2311.14736):
    greedily the row a that maximises

        (1 - alpha) d(a | A) + alpha q(a)

    where d is what a adds to the facility location function of the rows A taken before it, and q its quality
    by ``column``. alpha 0 is facility location, alpha 1 the best by quality. The scale of q against d is
    ours, so that alpha means the same for every score: q runs from 0 to 1 (its least and greatest value among
    the rows), d is in rows (the sum of cosines gained). d falls as rows are taken, q does not: first comes
    diversity, then quality. A value over ``ceiling`` is none (IFD over 1).
    """

    column: str = field(metadata=called("field"))
    """The scorer, or the field of the pool, that says how good a row is."""
    highest: bool | None = None
    """Whether the highest values are the best. None: what the scorer says, for a
    field of the pool the highest.
    """
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The weight of quality against diversity, 0 to 1."""
    neighbours: Annotated[int, Field(gt=0)] | None = None
    """Nearest rows that may cover a row. None: all, for up to 200,000 rows."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "qdit"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "quality (field) and facility location combined (alpha)"
    source: ClassVar[str] = "Bukharin et al. 2024, arXiv 2311.14736"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "faiss-gpu", "numpy", "scipy")

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"alpha: {self.alpha} is not a share of quality; give 0 (diversity) to 1 (quality)."
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    def check(self, rows: int | None) -> None:
        """See ``Selector``: too many rows to compare every two."""
        load_faiss()
        if rows is not None:
            check_rows(rows, self.neighbours, self.name)

    @property
    def ranks_by(self) -> str:
        """See ``Selector``."""
        return self.column

    def directed(self, highest: bool | None, ceiling: float | None) -> Qdit:
        """See ``Selector``."""
        return replace(
            self, **quality_end(self.name, self.column, self.highest, self.ceiling, highest, ceiling)
        )

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        del size
        return coverage_need(rows, dimensions, self.neighbours)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        check_rows(len(rows), self.neighbours, self.name)
        room = rows.afford(self, size)
        if not size or not len(rows):
            return np.empty(0, np.int64)
        quality = unit_range(rows.values[self.column] * (-1 if self.highest is False else 1))

        def blend(gains: np.ndarray, places: np.ndarray) -> np.ndarray:
            blended: np.ndarray = (1 - self.alpha) * gains + self.alpha * quality[places]
            return blended

        return np.sort(
            rows.rows[
                lazy_greedy(coverage_of(rows.embeddings, rows.places, room, self.neighbours), size, blend)
            ]
        )

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} best by {self.column} and diversity (alpha {self.alpha:g})"


def unit_range(values: np.ndarray) -> np.ndarray:
    """The values moved and stretched to 0 to 1; all 0 where they are equal."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ConfigError(
            "field: quality has infinite values, so it cannot be scaled and blended with diversity."
        )
    found: np.ndarray = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return found
