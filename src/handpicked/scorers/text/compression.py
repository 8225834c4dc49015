"""How far a response can be compressed, a measure of repetition."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer


@dataclass(frozen=True)
class CompressionRatio(Scorer):
    """Bytes of the response over its bytes compressed by zlib (level 6): English prose has
    about 2, a loop far more.

    Shaib et al. (2024), Standardizing the Measurement of Text Diversity, section 3.
    """

    name: ClassVar[str] = "compression_ratio"
    about: ClassVar[str] = "the rows whose responses compress least"
    unit: ClassVar[str] = "bytes per compressed byte"
    better: ClassVar[Better] = "low"
    version: ClassVar[int] = 1  # raise it when a value changes
    missing: ClassVar[str] = "the response is empty"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        texts = batch["response"].cast(pa.large_binary()).to_pylist()
        return pa.array(
            [len(text) / len(zlib.compress(text, 6)) if text else None for text in texts], pa.float64()
        )
