"""How similar rows are to a target set, once both have vectors: what rds and target-similarity share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked.score.pool_scorer import FACTS, truncation, write_scores
from handpicked.score.round_robin import round_robin
from handpicked.score.vectors import unit
from handpicked.store import write_json

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Compared:
    """A row to be compared: its id breaks ties; ``truncated`` tokens were not read; with a ``reason`` it has no value."""

    row: int
    id: str
    truncated: int = 0
    reason: str | None = None


def write_resemblance(
    work: Path,
    names: tuple[str, str, str],
    rows: Sequence[Compared],
    vectors: np.ndarray[Any, Any] | None,
    targets: np.ndarray[Any, Any],
) -> None:
    """Write similarity, round robin rank and truncation, by these names. ``vectors`` are of the rows without a reason, in order."""
    import numpy as np
    import pyarrow as pa

    valued = [place for place, row in enumerate(rows) if row.reason is None]
    similarity = np.full(len(rows), np.nan)
    rank = np.full(len(rows), np.nan)
    if vectors is not None:
        # Equals are taken in order of id, whatever the order of the pool.
        order = sorted(range(len(valued)), key=lambda one: (rows[valued[one]].id, rows[valued[one]].row))
        ranked = round_robin(unit(vectors[order]), unit(targets))
        places = np.array(valued)[order]
        similarity[places], rank[places] = ranked.similarity, ranked.rank
    none = np.isnan(rank)
    table = {
        "row": pa.array([row.row for row in rows], pa.int64()),
        names[0]: pa.array(similarity, mask=none),
        names[1]: pa.array(rank, mask=none),
        names[2]: pa.array([float(row.truncated) for row in rows], pa.float64(), mask=none),
        "reason": pa.array([row.reason for row in rows], pa.string()),
    }
    write_json(work / FACTS, truncation([row.truncated for row in rows if row.reason is None]))
    write_scores(work, pa.table(table))
