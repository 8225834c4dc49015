"""How similar rows are to a target set, once both have vectors: what rds and target-similarity share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from handpicked.errors import ConfigError
from handpicked.scorers.lm.round_robin import round_robin
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.lm.vectors import NO_DIRECTION, directed, unit
from handpicked.scorers.pool_scorer import FACTS, truncation, write_scores
from handpicked.store import write_json


@dataclass(frozen=True)
class Compared:
    """A row to be compared: its id breaks ties; ``truncated`` tokens were not read; with a
    ``reason`` it has no value.
    """

    row: int
    id: str
    truncated: int = 0
    reason: str | None = None


def write_resemblance(
    work: Path,
    names: tuple[str, str, str],
    rows: Sequence[Compared],
    vectors: np.ndarray,
    target: TargetSet,
    targets: np.ndarray,
) -> None:
    """Write similarity, round robin rank and truncation, by these names.

    ``vectors`` are of the rows without a reason, in order, and ``targets`` of the target's examples. A row
    whose vector has no direction gets that as its reason. Raises ConfigError for such a target, which nothing
    can resemble.
    """
    _check(target, targets)
    asked = [place for place, row in enumerate(rows) if row.reason is None]
    good = directed(vectors)
    lost = {place for place, one in zip(asked, good, strict=True) if not one}
    rows = [replace(row, reason=NO_DIRECTION) if place in lost else row for place, row in enumerate(rows)]
    # Equals are taken in order of id, whatever the order of the pool.
    order = sorted(np.flatnonzero(good), key=lambda one: (rows[asked[one]].id, rows[asked[one]].row))
    ranked = round_robin(unit(vectors[order]), unit(targets))
    places = np.array(asked, np.int64)[order]
    similarity = np.full(len(rows), np.nan)
    rank = np.full(len(rows), np.nan)
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


def _check(target: TargetSet, vectors: np.ndarray) -> None:
    bad = [prompt for prompt, good in zip(target, directed(vectors), strict=True) if not good]
    if bad:
        raise ConfigError(
            f"target: for {len(bad)} of the {len(target)} examples of {target.path} "
            f"(the first: {bad[0].text[:60]!r}) "
            f"{NO_DIRECTION}, so nothing can resemble it. Remove it, or give another model."
        )
