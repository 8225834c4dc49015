"""The best rows by a score that are not too similar to a better row already taken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.method import HIDDEN, called
from handpicked.records import Cost
from handpicked.selectors.clusters import load_faiss
from handpicked.selectors.embeddings import DECIMALS, Candidates, Embeddings, candidates, columns_of
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Needs, Scores, Selector
from handpicked.selectors.vectors import BLOCK

AT_ONCE = 1024
"""Rows compared with those taken in one matrix product."""


@dataclass(frozen=True)
class Deita(Selector):
    """Score-first, diversity-aware selection (Liu et al. 2024, arXiv 2312.15685, algorithm 1).

    Rows go by ``column``, best first (the paper's is complexity times quality; any score will do); one is
    taken unless its cosine to a row already taken is above ``threshold``, until ``size`` are taken. The
    paper's threshold is 0.9. Rows are compared with every row taken before them; the authors' code also
    compares with rejected ones of the same batch, so that there the batch size shows. A value over
    ``ceiling`` is none (IFD over 1).
    """

    column: str = field(metadata=called("field"))
    """The scorer, or the field of the pool, that says how good a row is."""
    highest: bool | None = None
    """Whether the highest values are the best. None: what the scorer says, for a
    field of the pool the highest.
    """
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.9
    """Rows with a higher cosine are too similar."""
    embeddings: Embeddings | None = field(default=None, repr=False, metadata=HIDDEN)
    name: ClassVar[str] = "deita"
    cost: ClassVar[Cost] = "embedding"
    about: ClassVar[str] = "the best rows by a score (field) that are not too similar to a better one"
    source: ClassVar[str] = "DEITA, Liu et al. 2024, arXiv 2312.15685"
    needs: ClassVar[str] = "embed; demo"
    compares_meaning: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    @property
    def columns(self) -> tuple[str, ...]:
        return columns_of(self.embeddings, self.column)

    def check(self, rows: int | None) -> None:
        """See ``Selector``."""
        load_faiss()

    @property
    def ranks_by(self) -> str:
        """See ``Selector``."""
        return self.column

    def directed(self, highest: bool | None, ceiling: float | None) -> Deita:
        """See ``Selector``."""
        return replace(
            self, **quality_end(self.name, self.column, self.highest, self.ceiling, highest, ceiling)
        )

    def needs_of(self, rows: int, dimensions: int, size: int) -> Needs:
        """See ``Selector``."""
        taken = 4 * dimensions * min(size, rows)
        return Needs(taken + 16 * rows + 4 * AT_ONCE * (BLOCK + 3 * AT_ONCE), "Give a smaller size.")

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = candidates(scores, self.embeddings, (self.column,), self.ceiling)
        rows.afford(self, size)
        sign = 1 if self.highest is False else -1
        order = np.argsort(sign * rows.values[self.column], kind="stable")
        taken = apart(rows, order, size, self.threshold)
        if len(taken) < min(size, len(rows)):
            raise ConfigError(
                f"threshold: {size:,} rows are requested, but only {len(taken):,} of "
                f"{len(rows):,} have no better row with "
                f"a cosine above {self.threshold:g} among those taken. Raise "
                "the threshold, or lower the size."
            )
        return np.sort(rows.rows[taken])

    def why_not(self, size: int) -> str:
        best = "lowest" if self.highest is False else "highest"
        return f"not among the {size:,} {best} by {self.column}, or more similar than {self.threshold:g} to a better row taken"


def apart(rows: Candidates, order: np.ndarray, size: int, threshold: float) -> list[int]:
    """The first ``size`` places of ``order`` that are no more similar than ``threshold`` to one taken before."""
    kept = np.empty((min(size, len(order)), rows.embeddings.dimensions), np.float32)
    taken: list[int] = []
    for begin in range(0, len(order), AT_ONCE):
        if len(taken) == size:
            break
        places = order[begin : begin + AT_ONCE]
        vectors = rows.take(places)
        free = np.ones(len(places), bool)
        for start in range(0, len(taken), BLOCK):
            near = kept[start : min(start + BLOCK, len(taken))] @ vectors.T
            free &= np.round(near.max(axis=0), DECIMALS) <= threshold
        among = np.round(vectors @ vectors.T, DECIMALS) > threshold
        for place in range(len(places)):
            if free[place] and len(taken) < size:
                kept[len(taken)] = vectors[place]
                taken.append(int(places[place]))
                free[place + 1 :] &= ~among[place, place + 1 :]
    return taken
