"""Response length in white-space separated words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer


@dataclass(frozen=True)
class LengthWords(Scorer):
    """``len(response.split())``: runs of characters between Unicode white space."""

    name: ClassVar[str] = "words"
    about: ClassVar[str] = "runs of characters between white space"
    unit: ClassVar[str] = "words"
    better: ClassVar[Better] = "high"
    measure: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("pyarrow",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return pa.array(
            [None if text is None else len(text.split()) for text in batch["response"].to_pylist()],
            pa.int64(),
        )
