"""Long responses from every domain, as in s1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from handpicked.config import Measure
from handpicked.selectors.balanced import complete, count_groups, even_quotas, group_codes
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores, Selector
from handpicked.selectors.topk import TopK, id_numbers, numbers

REACH = 128
"""Ranks beyond a group's quota that can still be drawn: weight 2**-128 against a random number of 53 bits."""


@dataclass(frozen=True)
class PowerLaw(Selector):
    """``size`` rows with an equal quota for each value of ``field``, drawn within a group without replacement
    with weight 2**-rank, rank 0 being its longest response by ``measure``.

    Muennighoff et al. (2025), s1: Simple test-time scaling, algorithm 1: they draw a domain uniformly, then a
    row of it by that law. Here every domain's quota is the number they draw on average. Weighted draws are
    made by the keys of Efraimidis and Spirakis (2006) from a hash of (``seed``, id).
    """

    field: str
    """The field of the pool, or the scorer, whose values are the groups."""
    measure: Measure = "tokens"
    """What a length is counted in."""
    seed: int = 0
    """Seed of its random choices."""
    name: ClassVar[str] = "power-law"
    about: ClassVar[str] = "within groups (field), longer responses with a higher probability"
    source: ClassVar[str] = "s1, Muennighoff et al. 2025, arXiv 2501.19393"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.field, self.measure)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        groups = count_groups(scores, self.field, self.columns)
        if not groups:
            return np.empty(0, np.int64)
        names = sorted(groups)
        codes = {name: code for code, name in enumerate(names)}
        quotas = even_quotas([groups[name] for name in names], size)
        longest = TopK(np.where(quotas > 0, quotas + REACH, 0))
        for batch in scores.batches(self.columns):
            valued = complete(batch, self.columns)
            ids = id_numbers(valued["id"])
            longest.add(
                group_codes(valued[self.field], codes),
                numbers(valued[self.measure], self.measure),
                ids,
                valued["row"].to_numpy(),
            )
        kept, _, high, low, rows = longest.entries()
        starts = np.searchsorted(kept, np.arange(len(names)))
        rank = np.arange(len(kept)) - starts[kept]
        uniform = (random_keys((high, low), self.seed) + 0.5) / 2.0**53
        drawn = TopK(quotas)
        # Gumbel noise on the log-weights: the largest keys are a weighted draw without replacement.
        drawn.add(kept, -rank * np.log(2) - np.log(-np.log(uniform)), (high, low), rows)
        return drawn.rows()

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} drawn by length within each {self.field}"
