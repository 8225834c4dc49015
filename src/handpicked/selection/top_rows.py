"""Keeps original rows that may still be selected while the pool is scored, so that it is read only once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from handpicked.data.arrow import int64_array
from handpicked.selectors.topk import numbers

MOST = 1 << 30
"""Bytes put aside beyond which no more are: the subset is then read from the pool."""
SPARE = 4
"""One in so many of the rows that are wanted may be known beyond them before those that can
no longer win are dropped.
"""


@dataclass
class _Part:
    """What may win of one batch in the file: ascending row numbers, their keys (higher is
    better), their places there.
    """

    batch: int
    rows: np.ndarray
    keys: np.ndarray
    places: np.ndarray

    def only(self, chosen: np.ndarray) -> _Part:
        return _Part(self.batch, self.rows[chosen], self.keys[chosen], self.places[chosen])


class TopRows:
    """Puts original rows aside that can be among the ``size`` highest (or lowest) of
    ``column``; with ties, all of them.

    Batches may be offered in any order and from several threads. The rows go into ``file`` (Arrow IPC), since
    held in memory they would take more of it the larger the pool is. Where that cannot be, for rows too
    large, files of differing schemas or a disk that refuses, nothing is put aside, and ``tables`` says so.
    """

    def __init__(self, column: str, highest: bool, size: int, file: Path) -> None:
        self.column = column
        self._sign = 1.0 if highest else -1.0
        self._size = size
        self._file = file
        self._limit = size + size // SPARE
        self._floor = float("-inf")
        self._parts: list[_Part] = []
        self._known = 0
        self._bytes = 0
        self._batches = 0
        self._writer: Any = None
        self._gone = size == 0
        self._lock = Lock()

    def offer(self, scored: pa.RecordBatch, first_row: int, originals: pa.RecordBatch) -> None:
        """Scored rows and the batch of the file they were read from, whose first row is
        ``first_row`` of the pool.
        """
        if self._gone:
            return
        keys = self._sign * numbers(scored[self.column], self.column)
        floor = self._floor
        if np.count_nonzero(keys >= floor) > self._size:
            floor = max(floor, _cut(keys[keys >= floor], self._size))
        hopeful = np.flatnonzero(keys >= floor)
        if not len(hopeful):
            return
        rows = scored["row"].to_numpy()[hopeful]
        aside = originals.take(int64_array(rows - first_row))
        with self._lock:
            if not self._gone and self._written(aside):
                self._parts.append(_Part(self._batches - 1, rows, keys[hopeful], np.arange(len(rows))))
                self._known += len(rows)
                if self._known > self._limit:
                    self._prune()

    def close(self) -> None:
        """No more batches will be offered."""
        with self._lock:
            writer, self._writer = self._writer, None
            try:
                if writer is not None:
                    writer.close()
            except (OSError, pa.ArrowInvalid):
                self._give_up()

    def tables(self, rows: Sequence[int]) -> Iterator[pa.Table] | None:
        """These rows (ascending) as they came, in order; ``None`` where one of them was not put aside."""
        self.close()
        wanted = np.asarray(rows, dtype=np.int64)
        parts = sorted(self._parts, key=lambda part: int(part.rows[0]))
        ends = [np.searchsorted(wanted, (part.rows[0], part.rows[-1] + 1)) for part in parts]
        chosen = [
            part.only(np.isin(part.rows, wanted[slice(*end)])) for part, end in zip(parts, ends, strict=True)
        ]
        if self._gone or sum(len(part.rows) for part in chosen) != len(wanted):
            return None
        return self._read([part for part in chosen if len(part.rows)])

    def _read(self, parts: Sequence[_Part]) -> Iterator[pa.Table]:
        with pa.OSFile(str(self._file)) as source, pa.ipc.open_file(source) as reader:
            for part in parts:
                batch = reader.get_batch(part.batch).take(int64_array(part.places))
                yield pa.Table.from_batches([batch])

    def _written(self, aside: pa.RecordBatch) -> bool:
        """Whether the rows are in the file now. If not, none is."""
        self._bytes += aside.nbytes
        try:
            if self._bytes <= MOST:
                if self._writer is None:
                    self._writer = pa.ipc.new_file(str(self._file), aside.schema)
                self._writer.write_batch(aside)
                self._batches += 1
                return True
        except (OSError, pa.ArrowInvalid):
            pass  # the subset is read from the pool then, and what else is written meets the same disk
        self._give_up()
        return False

    def _give_up(self) -> None:
        self._parts, self._writer, self._gone = [], None, True
        self._file.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Forget the rows that can no longer win."""
        self._floor = _cut(np.concatenate([part.keys for part in self._parts]), self._size)
        left = (part.only(part.keys >= self._floor) for part in self._parts)
        self._parts = [part for part in left if len(part.rows)]
        self._known = sum(len(part.rows) for part in self._parts)
        self._limit = max(self._limit, self._known + self._known // SPARE)


def _cut(keys: np.ndarray, size: int) -> float:
    """The key that a row must reach to be among the ``size`` highest of ``keys``."""
    return float(np.partition(keys, -size)[-size]) if len(keys) > size else float("-inf")
