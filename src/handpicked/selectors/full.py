"""Every row that the guards let through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class Full:
    """The whole pool, the baseline of every budget. It takes no size."""

    name: ClassVar[str] = "full"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[tuple[str, ...]] = ()

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        rows = [batch["row"].to_numpy() for batch in scores.batches(())]
        return np.sort(np.concatenate(rows))[:size] if rows else np.empty(0, np.int64)

    def why_not(self, size: int) -> str:
        return f"beyond the first {size:,} rows"
