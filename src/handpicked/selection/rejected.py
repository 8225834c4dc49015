"""The rejected rows of a pool in a file, so that memory does not grow with their number."""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from handpicked.errors import PoolError
from handpicked.records import Pool, Rejected, to_json
from handpicked.selection.reasons import Reasons
from handpicked.store import writing

NAME = "rejected.jsonl"
MARK = 1024
"""Lines between two whose places in the file are remembered."""


class RejectedRows(Sequence[Rejected]):
    """The rows that could not be read, in pool order: one line of JSON each in ``file``. They are read from
    there each time; ``reasons`` counts why.
    """

    def __init__(self, file: Path, marks: Sequence[int], reasons: Reasons) -> None:
        self.file = file
        self.reasons = reasons
        self._marks = marks

    @staticmethod
    def found(pool: Pool, scored: int, file: Path) -> RejectedRows:
        """Those of ``pool``, ``scored`` rows of which could be read, written into ``file`` one by one as they
        are found.

        Raises:
            PoolError: the pool changed since it was scored.
            StoreError: the file cannot be written.
        """
        expected, reasons, marks, end, last = pool.rows - scored, Reasons(), array("q"), 0, -1
        with writing(file), file.open("wb") as lines:
            for one in pool.rejected() if expected else ():
                if one.row <= last:
                    raise AssertionError(f"rejected rows are not in pool order: {one.row} after {last}")
                last = one.row
                if reasons.rows % MARK == 0:
                    marks.append(end)
                end += lines.write(to_json(one).encode("utf-8", "replace") + b"\n")
                reasons.add(one)
        if reasons.rows != expected:
            raise PoolError(
                f"the pool changed while it was read: {expected:,} of its {pool.rows:,} rows gave no score, "
                f"but {reasons.rows:,} are unreadable now. Run again when nothing writes to it."
            )
        return RejectedRows(file, marks, reasons)

    def __len__(self) -> int:
        return self.reasons.rows

    def __iter__(self) -> Iterator[Rejected]:
        return self._from(0)

    @overload
    def __getitem__(self, place: int) -> Rejected: ...
    @overload
    def __getitem__(self, place: slice) -> list[Rejected]: ...
    def __getitem__(self, place: int | slice) -> Rejected | list[Rejected]:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        return next(self._from(range(len(self))[place]))

    def __repr__(self) -> str:
        return f"<{len(self):,} rejected rows>"

    def copy_to(self, folder: Path) -> None:
        """Write ``rejected.jsonl`` into ``folder``, unless it is there already."""
        if self.file != folder / NAME:
            shutil.copyfile(self.file, folder / NAME)

    def _from(self, place: int) -> Iterator[Rejected]:
        if place >= len(self):
            return
        with self.file.open("rb") as lines:
            lines.seek(self._marks[place // MARK])
            for _ in range(place % MARK):
                lines.readline()
            for line in lines:
                yield Rejected(**json.loads(line))


class Following:
    """Takes rejected rows from their beginning, a bounded number at a time."""

    def __init__(self, rows: RejectedRows) -> None:
        self._rows = iter(rows)
        self._next = next(self._rows, None)

    def before(self, row: int | None, most: int) -> list[Rejected]:
        """The next ``most`` at most of those that come before pool row ``row`` (None: all)."""
        found: list[Rejected] = []
        while self._next is not None and len(found) < most and (row is None or self._next.row < row):
            found.append(self._next)
            self._next = next(self._rows, None)
        return found
