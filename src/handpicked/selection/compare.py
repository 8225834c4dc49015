"""How far length measures agree on which rows are longest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from handpicked.data import read
from handpicked.progress import SILENT, Progress
from handpicked.selection.methods import measure, measures
from handpicked.selection.scores import score_pool
from handpicked.selectors.ranked import take_top
from handpicked.selectors.selector import Scores


def compare_measures(
    data: Any, size: int, tokenizer: str | None = None, progress: Progress = SILENT
) -> dict[str, dict[str, float | None]]:
    """For every two measures, the share (0 to 1) of the ``size`` longest rows by one that are among the
    longest by the other too. ``data`` is a pool or anything that ``read`` takes.

    ``None`` where ``size`` is 0. If fewer rows can be read, all of them are compared.
    """
    scorers = [measure(name, tokenizer) for name in measures()]
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(read(data), scorers, (), Path(scratch) / "scores.arrow", progress=progress)
        scores = Scores(scored.batches, scored.rows)
        longest = {
            name: frozenset(take_top(scores, name, size, highest=True).tolist()) for name in measures()
        }
    kept = min(size, scored.rows)
    return {
        one: {other: len(longest[one] & longest[other]) / kept if kept else None for other in measures()}
        for one in measures()
    }
