"""The hierarchical choice of T-SHIRT: rows that score high, and whose neighbours agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.method import HIDDEN
from handpicked.records import Cost
from handpicked.selectors.ranked import take_top
from handpicked.selectors.selector import Scores, Selector


@dataclass(frozen=True)
class Steady(Selector):
    """Of the rows with a mean IFD below 1, twice the size by mean S-IFD, of these the size
    with the smallest spread.

    Fu et al. 2025, arXiv 2506.01317. Without neighbours there is no spread: then the
    size with the highest S-IFD.
    """

    spread: bool | None = field(default=None, metadata=HIDDEN)
    """Whether to use the spread over neighbours. None: where the scores have one."""
    columns: ClassVar[tuple[str, ...]] = ("t-shirt", "t-shirt_spread", "t-shirt_ifd")
    name: ClassVar[str] = "t-shirt"
    about: ClassVar[str] = "rows with a high T-SHIRT score whose noisy copies agree"
    source: ClassVar[str] = "T-SHIRT, Fu et al. 2025, arXiv 2506.01317"
    cost: ClassVar[Cost] = "model forward"
    needs: ClassVar[str] = "lm; demo for the bundled model"
    version: ClassVar[int] = 1  # raise it when other rows are chosen

    def select(self, scores: Scores, size: int) -> np.ndarray:
        batches = list(scores.batches(self.columns))
        if not batches:
            return np.empty(0, np.int64)
        table = pa.Table.from_batches(batches)
        table = table.filter(pc.less(table["t-shirt_ifd"], 1.0))
        spread = table["t-shirt_spread"].null_count < len(table) if self.spread is None else self.spread
        rows = take_top(Scores.of(table), "t-shirt", 2 * size if spread else size, highest=True)
        if not spread:
            return rows
        best = table.filter(pc.is_in(table["row"], pa.array(rows)))
        return take_top(Scores.of(best), "t-shirt_spread", size, highest=False)

    def why_not(self, size: int) -> str:
        steady = "" if self.spread is False else " with the smallest spread"
        return f"not among the {size:,} highest by t-shirt{steady} (mean IFD below 1)"
