"""Facility location in two rounds: every shard of the rows chooses, then the choices are merged.

This is GreeDi (Mirzasoleiman et al. 2013, Distributed Submodular Maximization; arXiv 1411.0541).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from handpicked.selectors.coverage import DECIMALS, KEPT, TILE, Coverage, Sampled, lazy_greedy
from handpicked.selectors.embeddings import Candidates, Embeddings
from handpicked.selectors.random import random_keys
from handpicked.selectors.selector import Scores
from handpicked.selectors.vectors import BLOCK
from handpicked.store.files import writing
from handpicked.workers import THIS_MACHINE, THIS_PROCESS, Part, PartFiles, Work, run_parts

Cover = Callable[[Embeddings, np.ndarray, float], Coverage]
"""Makes the coverage of the rows at these places of the embeddings. The number is how many bytes it may take
in addition to the least that it needs."""


@dataclass(frozen=True)
class Deal:
    """Candidates dealt to shards: ``order`` (int64 [n]) has those of the first shard, then those of the
    second, each ascending; shard i is ``order[bounds[i]:bounds[i + 1]]``. ``sample`` are places (int64,
    ascending) drawn from all.
    """

    order: np.ndarray
    bounds: tuple[int, ...]
    sample: np.ndarray

    @staticmethod
    def of(rows: Candidates, shards: int, sample: int, seed: int) -> Deal:
        """By a hash of (``seed``, id): independent of order, partitions and workers. Rows of equal id are in
        the same shard.
        """
        keys = random_keys(rows.ids, seed)
        shard = (keys % shards).astype(np.int64)
        ends = np.cumsum(np.bincount(shard, minlength=shards))
        drawn = np.sort(np.argsort(keys, kind="stable")[:sample])
        return Deal(np.argsort(shard, kind="stable"), (0, *ends.tolist()), drawn)

    def __len__(self) -> int:
        return len(self.bounds) - 1


@dataclass(frozen=True)
class ShardChoices:
    """The first round, as a task of one part a shard. A part's table has ``place`` (int64), counted in the
    shard, in the order taken.

    ``places`` is the file (.npy) of all rows' places in the embeddings, shard after shard, and ``bounds`` is
    where each begins and the last ends. ``room`` are the bytes that a worker may take besides the least.
    """

    embeddings: Embeddings
    places: Path
    bounds: tuple[int, ...]
    cover: Cover
    size: int
    room: float
    name: str = "facility-location"
    items: str = "shards"
    libraries: Sequence[str] = ("faiss-cpu", "numpy", "scipy")

    def open(self) -> Work:
        """See ``workers.Task``."""
        return ShardWork(self)


@dataclass(frozen=True)
class ShardWork:
    """Shards in one worker, one in memory at a time."""

    task: ShardChoices

    def read(self, part: Part) -> Part:
        """See ``workers.Work``. Nothing is read ahead: two shards would be in memory."""
        return part

    def compute(self, ready: Part, step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``."""
        task, shard = self.task, ready.first
        own = np.load(task.places, mmap_mode="r")[task.bounds[shard] : task.bounds[shard + 1]]
        taken = (
            lazy_greedy(task.cover(task.embeddings, np.array(own), task.room), task.size) if len(own) else []
        )
        step(1)
        return pa.table({"place": pa.array(taken, pa.int64())})


def choose(rows: Candidates, deal: Deal, cover: Cover, size: int, scores: Scores, room: float) -> np.ndarray:
    """The places of ``size`` of ``rows``, by both rounds. The shards are done by the workers of ``scores``.

    Raises:
        WorkerError, StoreError, ConfigError: as ``run_parts``.
    """
    workers = THIS_PROCESS if scores.workers == THIS_MACHINE else scores.workers  # it is no work for GPUs
    with writing(scores.folder or Path(tempfile.gettempdir())):
        work = tempfile.TemporaryDirectory(prefix="handpicked-shards-", dir=scores.folder)
    with work as made:
        places = Path(made).resolve() / "places.npy"
        with writing(places.parent):
            np.save(places, rows.places[deal.order])
        task = ShardChoices(rows.embeddings, places, deal.bounds, cover, size, room)
        files = PartFiles.of(places.parent, [len(deal)], 1)
        run_parts(task, files, workers, scores.progress)
        taken = [table["place"].to_numpy() for table in files.tables()]
        choices = [deal.order[begin + own] for begin, own in zip(deal.bounds[:-1], taken, strict=True)]
    return merged(rows, choices, deal.sample, size, room)


def merged(
    rows: Candidates, choices: Sequence[np.ndarray], sample: np.ndarray, size: int, room: float
) -> np.ndarray:
    """The second round: the greedy choice among all that shards chose or the best shard's own, whichever
    covers ``sample`` better. A shard's choice of fewer than ``size`` rows is filled up with the merged one.
    """
    union = np.unique(np.concatenate(choices))
    coverage = Sampled(_part(rows, union).within(room), _part(rows, sample).vectors)
    best = union[lazy_greedy(coverage, size)]
    greedy, worth = best, round(coverage.worth(np.searchsorted(union, best)), DECIMALS)
    for choice in choices:
        filled = np.concatenate([choice, greedy[~np.isin(greedy, choice)]])[:size]
        own = round(coverage.worth(np.searchsorted(union, filled)), DECIMALS)
        if own > worth:
            best, worth = filled, own
    return best


def _part(rows: Candidates, which: np.ndarray) -> Candidates:
    high, low = rows.ids
    return Candidates(rows.embeddings, rows.rows[which], (high[which], low[which]), {}, rows.places[which])


def largest(rows: int, shards: int) -> int:
    """Rows that the largest shard will hardly exceed: four standard deviations above the mean."""
    mean = rows / shards
    return min(rows, math.ceil(mean + 4 * math.sqrt(mean)))


def merge_need(rows: int, dimensions: int, shards: int, size: int, sample: int) -> float:
    """Bytes that the deal of the rows and the second round take at the least."""
    union, sample = min(rows, shards * size), min(rows, sample)
    kept = 4 * union * sample if 4 * union * sample <= KEPT else 0
    vectors = 4 * dimensions * (2 * sample + min(union, 2 * BLOCK))
    return 40 * rows + 40 * union + vectors + kept + 12 * min(union, 2 * TILE) * sample
