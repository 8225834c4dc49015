"""Uniform random rows, the baseline that every selection must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handpicked.selectors.selector import Scores, Selector
from handpicked.selectors.topk import TopK, id_numbers


def random_keys(ids: tuple[Any, Any], seed: int) -> np.ndarray:
    """A number in [0, 2**53) for each id, from its 128 bits and ``seed`` (splitmix64, Steele et al., 2014).

    It depends on the row's content, not on its place: any order and split of a pool gives the same choice.
    """

    def mix(values: Any) -> Any:
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))

    high, low = ids
    with np.errstate(over="ignore"):
        key = mix(np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64))
        keys: np.ndarray = (mix(mix(high ^ key) ^ low) >> np.uint64(11)).astype(np.float64)
    return keys


@dataclass(frozen=True)
class Random(Selector):
    """``size`` rows drawn without replacement, by a hash of (``seed``, id). Exact
    duplicates are drawn together.
    """

    seed: int = 0
    """Seed of its random choices."""
    name: ClassVar[str] = "random"
    about: ClassVar[str] = "a seeded random subset, independent of the order of the pool"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    columns: ClassVar[tuple[str, ...]] = ()

    def select(self, scores: Scores, size: int) -> np.ndarray:
        top = TopK(np.array([size]))
        for batch in scores.batches(()):
            ids = id_numbers(batch["id"])
            top.add(np.zeros(len(batch), np.int64), random_keys(ids, self.seed), ids, batch["row"].to_numpy())
        return top.rows()

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} drawn with seed {self.seed}"
