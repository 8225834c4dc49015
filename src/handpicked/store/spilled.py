"""Rows of fixed width that wait in a file instead of memory, and putting any number of them in order."""

from __future__ import annotations

import itertools
import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handpicked.store.files import writing

RUN = 1 << 19
"""Records that are put in order at once; fewer never leave memory."""
READ = 64
"""Rows that are read from scattered places before their pages are given back: a page of a mapped file counts
as memory of the process, and brings 15 neighbours.
"""


class Spilled:
    """Rows of one type and width, appended to a file and read from any place of it.

    The file has no name: it takes disk in ``folder`` (None: the temporary folder) until this object, or the
    process, is gone, however that ends. Appending raises StoreError where the disk is full.
    """

    def __init__(self, kind: Any, width: int | None = None, folder: Path | None = None) -> None:
        self._kind, self._row = np.dtype(kind), () if width is None else (width,)
        self._bytes = self._kind.itemsize * (1 if width is None else width)
        self._place = folder or Path(tempfile.gettempdir())
        self._count = 0
        with writing(self._place):
            self._file = tempfile.TemporaryFile(  # noqa: SIM115  (closed with this object)
                dir=self._place, prefix="handpicked-", buffering=0
            )

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        left = memoryview(np.ascontiguousarray(rows, self._kind).tobytes())
        with writing(self._place):
            self._file.seek(0, 2)
            while left:
                left = left[self._file.write(left) :]
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, which: slice) -> np.ndarray:
        """The rows of a slice without a step."""
        begin, end, _ = which.indices(self._count)
        found = np.empty((max(0, end - begin), *self._row), self._kind)
        self._file.seek(begin * self._bytes)
        left = found.reshape(-1).view(np.uint8)
        while len(left):
            left = left[self._file.readinto(left.data) :]
        return found

    def take(self, places: np.ndarray) -> np.ndarray:
        """The rows at these places, in their order."""
        found = np.empty((len(places), *self._row), self._kind)
        if not len(places):
            return found
        mapped = self.mapped()
        order = np.argsort(places, kind="stable")
        for begin in range(0, len(order), READ):
            part = order[begin : begin + READ]
            found[part] = mapped[places[part]]
            give_back(mapped)
        return found

    def mapped(self) -> np.ndarray:
        """All rows (there must be some), mapped into memory to be read."""
        return np.memmap(self._file, self._kind, "r", shape=(self._count, *self._row))


def give_back(rows: np.ndarray) -> None:
    """Let go of the pages of a mapped file that this process has looked at. They stay in the system's cache,
    and are mapped again when they are needed.
    """
    mapped = getattr(rows, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def packed(*columns: np.ndarray) -> np.ndarray:
    """One record a row of columns of non-negative integers, as bytes that sort as the columns do."""
    table = np.empty((len(columns[0]), len(columns)), ">u8")
    for place, column in enumerate(columns):
        table[:, place] = column
    records: np.ndarray = table.view(f"S{8 * len(columns)}")[:, 0]
    return records


def unpacked(records: np.ndarray) -> list[np.ndarray]:
    """The columns of ``packed`` records (uint64)."""
    table = np.ascontiguousarray(records).view(">u8").reshape(len(records), -1)
    return [table[:, place].astype(np.uint64) for place in range(table.shape[1])]


def in_order(
    parts: Iterable[np.ndarray], folder: Path | None = None, run: int | None = None
) -> Iterator[np.ndarray]:
    """The ``packed`` records of all parts in ascending order, some at a time.

    Memory is a few times ``run`` records (``RUN``), however many there are and however they are distributed,
    as long as no two are equal: runs are sorted and put into a file in ``folder``, then cut at common
    records. By regular sampling no piece is larger than two runs (Shi & Schaeffer 1992, Parallel Sorting by
    Regular Sampling).
    """
    run, held, count = run or RUN, [], 0
    spilled: Spilled | None = None
    bounds = [0]
    for part in parts:
        held.append(part)
        count += len(part)
        if count >= run:
            spilled = Spilled(part.dtype, folder=folder) if spilled is None else spilled
            spilled.append(_sorted(held))
            bounds.append(len(spilled))
            held, count = [], 0
    if spilled is None:
        if count:
            yield _sorted(held)
        return
    if count:
        spilled.append(_sorted(held))
        bounds.append(len(spilled))
    del held
    yield from _merged(spilled, bounds)


def _merged(spilled: Spilled, bounds: Sequence[int]) -> Iterator[np.ndarray]:
    """Sorted runs, which begin and end at ``bounds``, as one sequence."""
    mapped, runs = spilled.mapped(), len(bounds) - 1
    edges = list(itertools.pairwise(bounds))
    samples = [np.linspace(begin, end, runs, endpoint=False).astype(np.int64) for begin, end in edges]
    splitters = _sorted([spilled.take(np.concatenate(samples))])[runs::runs]
    cuts = []
    for begin, end in edges:
        inside = np.searchsorted(mapped[begin:end], splitters)
        cuts.append([begin, *(begin + inside).tolist(), end])
        give_back(mapped)
    for place in range(len(splitters) + 1):
        pieces = [spilled[cut[place] : cut[place + 1]] for cut in cuts]
        if any(map(len, pieces)):
            yield _sorted(pieces)


def _sorted(parts: Sequence[np.ndarray]) -> np.ndarray:
    whole = np.concatenate(parts)
    whole.sort()
    return whole
