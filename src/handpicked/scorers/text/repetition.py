"""How much of a response repeats itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from handpicked.records import Better, Cost
from handpicked.scorers.scorer import Scope
from handpicked.scorers.text.words import beginnings, mix, numbered_words


@dataclass(frozen=True)
class RepeatedNgrams:
    """The share of a response's ``n``-grams of white-space words that occurred in it before: 1 - distinct / all.

    Of a response only the first million characters count (``words.MOST``).

    The repetition filter of Rae et al. (2021), Scaling Language Models (Gopher), Table A1, in its word form.
    """

    n: int = 5

    unit: ClassVar[str] = "share, 0 to 1"
    better: ClassVar[Better] = "low"
    scope: ClassVar[Scope] = "item"
    cost: ClassVar[Cost] = "text"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")
    columns: ClassVar[tuple[str, ...]] = ("response",)

    @property
    def name(self) -> str:
        return f"repeated_{self.n}grams"

    @property
    def missing(self) -> str:
        return f"the response has fewer than {self.n} words"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        hashes, owners = numbered_words(beginnings(batch["response"])).ngrams(self.n)
        with np.errstate(over="ignore"):
            keys = hashes ^ mix(owners.astype(np.uint64) + np.uint64(1 << 40))
        order = np.argsort(keys)
        again = order[1:][keys[order[1:]] == keys[order[:-1]]]
        total = np.bincount(owners, minlength=len(batch))
        repeated = np.bincount(owners[again], minlength=len(batch))
        values = (repeated / np.maximum(total, 1)).tolist()
        return pa.array(
            [value if count else None for value, count in zip(values, total.tolist(), strict=True)],
            pa.float64(),
        )
