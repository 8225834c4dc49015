"""Which rows answer the same prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
from xxhash import xxh3_128_hexdigest

from handpicked.scorers.scorer import Scorer


@dataclass(frozen=True)
class PromptHash(Scorer):
    """XXH3 (128 bits) of the prompt's text, as 32 hex digits: equal for the answers to one prompt."""

    name: ClassVar[str] = "prompt_hash"
    about: ClassVar[str] = "which rows answer the same prompt: a hash, by which best-response groups them"
    unit: ClassVar[str] = "hash"
    version: ClassVar[int] = 1  # raise it when a value changes
    columns: ClassVar[tuple[str, ...]] = ("prompt",)
    missing: ClassVar[str] = "the row has no prompt"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        texts = batch["prompt"].to_pylist()
        return pa.array(
            [None if text is None else xxh3_128_hexdigest(text.encode()) for text in texts], pa.string()
        )
