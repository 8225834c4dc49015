"""The scores of a pool behind the guards that drop rows before a selection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from handpicked.guards.drop import Drop
from handpicked.guards.guard import Guard
from handpicked.selection.scores import ScoredPool
from handpicked.selectors.selector import Scores


@dataclass
class Guarded:
    """The scores of a pool with the guards that drop some of its rows. ``rows``
    counts those they let through.
    """

    scored: ScoredPool
    guards: list[Drop] = field(default_factory=list)
    rows: int = 0

    @staticmethod
    def by(scored: ScoredPool, plans: Sequence[Guard]) -> Guarded:
        """Set up the guards one after the other: each looks only at what those before it let through."""
        guarded = Guarded(scored, rows=scored.rows)
        for plan in plans:
            guarded.guards.append(plan.make(guarded.scores()))
            guarded.rows = sum(len(batch) for batch in guarded.batches(()))
        return guarded

    def scores(self) -> Scores:
        """The rows let through so far, for a selector."""
        return Scores(self.batches, self.rows, self.scored.file.parent)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Batches of the rows let through."""
        if not self.guards:
            yield from self.scored.batches(columns)
            return
        for batch in self.scored.batches():
            passed = self.first_drop(batch) < 0
            yield batch.filter(pa.array(passed.tolist(), pa.bool_())).select(["row", "id", *columns])

    def first_drop(self, batch: pa.RecordBatch) -> np.ndarray:
        """For each row the place of the first guard that drops it, or -1."""
        first = np.full(len(batch), -1, dtype=np.int32)
        for place, guard in enumerate(self.guards):
            first[(first < 0) & guard.drops(batch)] = place
        return first
