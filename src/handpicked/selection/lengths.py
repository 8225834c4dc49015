"""The response lengths of a pool, in any measure."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from handpicked.records import Pool
from handpicked.selection.methods import measure as measured
from handpicked.selection.scores import score_pool


def lengths(pool: Pool, measure: str, tokenizer: str | None = None) -> np.ndarray:
    """The response length of every readable row, in pool order: float64, NaN where it has none."""
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(pool, [measured(measure, tokenizer)], (), Path(scratch) / "scores.arrow")
        parts = [
            batch[measure].cast(pa.float64()).to_numpy(zero_copy_only=False)
            for batch in scored.batches([measure])
        ]
    return np.concatenate(parts) if parts else np.empty(0)
