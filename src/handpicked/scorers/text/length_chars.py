"""Response length in characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer


@dataclass(frozen=True)
class LengthChars(Scorer):
    """Unicode code points of the response, white space included."""

    name: ClassVar[str] = "chars"
    about: ClassVar[str] = "Unicode code points"
    unit: ClassVar[str] = "characters"
    better: ClassVar[Better] = "high"
    measure: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("pyarrow",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return pc.cast(pc.utf8_length(batch["response"]), pa.int64())
