"""Every row that passes the filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from handpicked.selectors.selector import Scores, Selector, SizeRule


@dataclass(frozen=True)
class Full(Selector):
    """The whole pool, the baseline of every budget. It takes no size."""

    name: ClassVar[str] = "full"
    about: ClassVar[str] = "every readable row"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    columns: ClassVar[tuple[str, ...]] = ()

    @property
    def size_rule(self) -> SizeRule:
        """It keeps every row."""
        return "none"

    def select(self, scores: Scores, size: int) -> np.ndarray:
        rows = [batch["row"].to_numpy() for batch in scores.batches(())]
        return np.sort(np.concatenate(rows))[:size] if rows else np.empty(0, np.int64)

    def why_not(self, size: int) -> str:
        return f"beyond the first {size:,} rows"
