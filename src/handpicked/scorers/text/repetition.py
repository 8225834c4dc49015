"""How much of a response repeats itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from handpicked.method import HIDDEN
from handpicked.records import Better
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.words import beginnings, mix, numbered_words


@dataclass(frozen=True)
class RepeatedNgrams(Scorer):
    """The share of a response's ``n``-grams of white-space words that occurred in it
    before: 1 - distinct / all.

    Of a response only the first million characters count (``words.MOST``).

    The repetition filter of Rae et al. (2021), Scaling Language Models (Gopher), Table A1, in its word form.
    """

    n: int = field(default=5, metadata=HIDDEN)

    name: ClassVar[str] = "repeated_5grams"
    about: ClassVar[str] = "the share of a response that repeats itself"
    source: ClassVar[str] = "Gopher, Rae et al. 2021, arXiv 2112.11446"
    unit: ClassVar[str] = "share, 0 to 1"
    missing: ClassVar[str] = "the response has fewer than 5 words"
    better: ClassVar[Better] = "low"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")

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
