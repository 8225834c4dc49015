"""Encoded rows on disk: written once, five bytes a token, and mapped by every process that trains on them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from handpicked.errors import PoolError
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded

Ids: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]
IDS, LEARNED, ENDS = "ids.npy", "learned.npy", "ends.npy"
HEADER = 128
"""Bytes of a .npy header of one dimension, for any length: numpy leaves room for it to grow."""


@dataclass(frozen=True)
class TokenRows:
    """Rows of tokens one after the other: ``ids`` [tokens], ``learned`` [tokens] says which of them the loss
    is taken over, row ``n`` ends before ``ends[n]`` [rows].
    """

    ids: Ids
    learned: Flags
    ends: Places

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> Encoded:
        tokens = self._slice(row)
        ids = self.ids[tokens]
        return Encoded(ids.tolist(), np.where(self.learned[tokens], ids, IGNORED).tolist())

    def __iter__(self) -> Iterator[Encoded]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> Places:
        """Tokens of each row."""
        return np.diff(self.ends, prepend=np.int64(0))

    @property
    def learned_counts(self) -> Places:
        """Learned tokens of each row."""
        return np.array(
            [np.count_nonzero(self.learned[self._slice(row)]) for row in range(len(self))], np.int64
        )

    def _slice(self, row: int) -> slice:
        return slice(int(self.ends[row - 1]) if row else 0, int(self.ends[row]))


class RowWriter:
    """Writes rows into ``folder`` as they come, so that none is kept in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ends = array("q")
        self._tokens = 0
        self._ids, self._learned = (_column(folder / name) for name in (IDS, LEARNED))

    def add(self, row: Encoded) -> None:
        """One more row. Its labels are the ids of its tokens, or -100."""
        self._ids.write(np.array(row.ids, np.int32).tobytes())
        self._learned.write((np.array(row.labels, np.int32) != IGNORED).tobytes())
        self._tokens += len(row.ids)
        self._ends.append(self._tokens)

    def __len__(self) -> int:
        return len(self._ends)

    def close(self) -> TokenRows:
        """Everything written, mapped."""
        for file, kind in ((self._ids, np.int32), (self._learned, np.bool_)):
            _write_header(file, np.dtype(kind), self._tokens)
            file.close()
        save(self._folder / ENDS, np.frombuffer(self._ends, np.int64))
        return open_rows(self._folder)


def open_rows(folder: Path) -> TokenRows:
    """The rows that a ``RowWriter`` left in ``folder``, mapped: pages are read as they are used, and shared
    by all processes of a machine. Raises PoolError where they are missing or damaged.
    """
    ids, learned, ends = (mapped(folder / name) for name in (IDS, LEARNED, ENDS))
    if len(ids) != len(learned) or (len(ends) and int(ends[-1]) != len(ids)):
        raise PoolError(f"{folder} holds encoded rows that were not written to their end. Train again.")
    return TokenRows(ids, learned, ends)


def mapped(file: Path) -> np.ndarray:
    """An array of a .npy file, mapped; an empty one cannot be and is read. Raises PoolError."""
    try:
        empty = file.stat().st_size <= HEADER
        found: np.ndarray = np.load(file, mmap_mode=None if empty else "r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PoolError(f"{file} holds no encoded rows: {error}. Train again.") from error
    return found


def write_rows(rows: Sequence[Encoded], folder: Path) -> TokenRows:
    """These rows as mapped ones."""
    writer = RowWriter(folder)
    for row in rows:
        writer.add(row)
    return writer.close()


def save(path: Path, values: NDArray[np.generic]) -> None:
    """Write a new .npy file; processes that have mapped the old one keep it."""
    path.unlink(missing_ok=True)
    np.save(path, values)


def _column(path: Path) -> BinaryIO:
    path.unlink(missing_ok=True)
    file = path.open("wb")
    file.write(bytes(HEADER))
    return file


def _write_header(file: BinaryIO, kind: np.dtype[np.generic], length: int) -> None:
    file.seek(0)
    described = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, described)
    assert file.tell() == HEADER
