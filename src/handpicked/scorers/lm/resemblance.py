"""How similar rows are to a target set, once both have vectors: what rds and target-similarity share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.errors import ConfigError
from handpicked.scorers.lm.round_robin import Ranked, round_robin
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.lm.vectors import NO_DIRECTION, NumberType, directed, unit, vectors_of, with_vectors
from handpicked.scorers.pool_scorer import FACTS, write_tables
from handpicked.store import write_json, writing
from handpicked.workers import PartFiles

ROWS, TARGETS = 0, 1
"""The sections of a task that makes vectors of both."""
SIMILAR = ".similarities"
"""A file of the work folder while ranks are made: float32 [targets, rows]."""


@dataclass(frozen=True)
class Compared:
    """A row to be compared: its id breaks ties; ``truncated`` tokens were not read; with a
    ``reason`` it has no value.
    """

    row: int
    id: str
    truncated: int = 0
    reason: str | None = None


def compared_table(rows: Sequence[Compared], vectors: np.ndarray, stored: NumberType = "float32") -> pa.Table:
    """The table of a part. ``vectors`` are of the rows without a reason, in order; a row whose vector has no
    direction gets that as its reason. Those stored as float16 are made of length 1, which fits.
    """
    usable = np.array([row.reason is None for row in rows], bool)
    good = directed(vectors)
    valued = usable.copy()
    valued[usable] = good
    reasons = [row.reason or (None if valued[place] else NO_DIRECTION) for place, row in enumerate(rows)]
    table = pa.table(
        {
            "row": pa.array([row.row for row in rows], pa.int64()),
            "id": pa.array([row.id for row in rows], pa.large_string()),
            "truncated": pa.array([row.truncated for row in rows], pa.int64()),
            "reason": pa.array(reasons, pa.string()),
        }
    )
    kept = vectors[good] if stored == "float32" else unit(vectors[good])
    return with_vectors(table, kept, valued, stored)


def targets_table(vectors: np.ndarray) -> pa.Table:
    """The vectors of targets in their order, as they are."""
    table = pa.table({"row": pa.array(range(len(vectors)), pa.int64())})
    return with_vectors(table, vectors, np.ones(len(vectors), bool))


def write_resemblance(work: Path, names: tuple[str, str, str], files: PartFiles, target: TargetSet) -> None:
    """Write similarity, round robin rank and truncation, by these names, of the vectors in ``files``.

    Raises ConfigError for a target whose vector has no direction, which nothing can resemble. The vectors
    are read once, part by part; memory is a few numbers a row, and disk 4 bytes a row and target.
    """
    targets = np.concatenate([vectors_of(table) for table in files.tables(TARGETS)])
    _check(target, targets)
    columns = pa.concat_tables(table.drop_columns("vector") for table in files.tables(ROWS))
    valued = columns["reason"].is_null().to_numpy()
    ranked = _ranked(work, files, columns.filter(pa.array(valued)), unit(targets))
    similarity, rank = np.full(len(columns), np.nan), np.full(len(columns), np.nan)
    similarity[valued], rank[valued] = ranked.similarity, ranked.rank
    read = columns["truncated"].to_numpy()[valued]
    cut = {"rows": int((read > 0).sum()), "tokens": int(read.sum())}
    write_json(work / FACTS, {"truncated": cut})
    none = ~valued
    scores = {
        "row": columns["row"],
        names[0]: pa.array(similarity, mask=none),
        names[1]: pa.array(rank, mask=none),
        names[2]: pc.if_else(pa.array(valued), columns["truncated"].cast(pa.float64()), None),
        "reason": columns["reason"],
    }
    write_tables(work, [pa.table(scores)])


def _ranked(work: Path, files: PartFiles, valued: pa.Table, targets: np.ndarray) -> Ranked:
    """Similarity and rank of the rows with a vector, in the order of the pool."""
    if not len(valued):
        return Ranked(np.empty(0), np.empty(0, np.int64))
    # Equals are taken in order of id, independent of the order of the pool.
    order = pc.sort_indices(valued, [("id", "ascending"), ("row", "ascending")]).to_numpy()
    with writing(work):
        shape = (len(targets), len(valued))
        similar = np.memmap(work / SIMILAR, np.float32, "w+", shape=shape)
        at = 0
        for table in files.tables(ROWS):
            vectors = vectors_of(table)
            similar[:, at : at + len(vectors)] = targets @ unit(vectors).T
            at += len(vectors)
        by_id = round_robin(_in_order(similar, order), len(targets), len(valued))
        (work / SIMILAR).unlink()
    similarity, rank = np.empty(len(valued)), np.empty(len(valued), np.int64)
    similarity[order], rank[order] = by_id.similarity, by_id.rank
    return Ranked(similarity, rank)


def _in_order(similar: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    return (of_target[order] for of_target in similar)


def _check(target: TargetSet, vectors: np.ndarray) -> None:
    bad = [prompt for prompt, good in zip(target, directed(vectors), strict=True) if not good]
    if bad:
        raise ConfigError(
            f"target: for {len(bad)} of the {len(target)} examples of {target.path} "
            f"(the first: {bad[0].text[:60]!r}) "
            f"{NO_DIRECTION}, so nothing can resemble it. Remove it, or give another model."
        )
