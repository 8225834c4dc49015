"""The response lengths of a pool, in any measure."""

from __future__ import annotations

import tempfile
from pathlib import Path

from handpicked.pick.methods import MEASURES
from handpicked.pick.scored import score_pool
from handpicked.records import Pool


def lengths(pool: Pool, measure: str, tokenizer: str | None = None) -> list[int | None]:
    """The response length of every readable row, in pool order; ``None`` where it has none."""
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(pool, [MEASURES[measure](tokenizer)], (), Path(scratch) / "scores.arrow")
        return [value for batch in scored.batches([measure]) for value in batch[measure].to_pylist()]
