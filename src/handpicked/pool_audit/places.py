"""Where the rows of a pool are in its files, and what they say."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from handpicked.pool_audit.record import AuditedFile, Shown
from handpicked.records import Example, Pool

BEGINNING, END = 120, 60
"""Characters of a text that are shown."""


class Places:
    """The files of a pool by the numbers of their rows. ``names`` are their paths, without what all share."""

    def __init__(self, pool: Pool) -> None:
        self.inputs = pool.inputs()
        paths = [str(one["path"]) for one in self.inputs]
        folder = os.path.commonpath([os.path.dirname(path) for path in paths]) if _alike(paths) else ""  # noqa: PTH120
        self.names = [os.path.relpath(path, folder) if folder else path for path in paths]
        self._ends = np.cumsum([int(one["rows"]) for one in self.inputs])

    def file_of(self, rows: int | np.ndarray) -> np.ndarray:
        """The place among the files of each row's file."""
        return np.asarray(np.searchsorted(self._ends, rows, side="right"))

    def of(self, row: int) -> tuple[str, int]:
        """A row's file, and its place there, from 1."""
        file = int(self.file_of(row))
        return self.names[file], row - int(self._ends[file - 1] if file else 0) + 1

    def files(self, rejected: Mapping[int, int]) -> tuple[AuditedFile, ...]:
        """The files, with the number of ``rejected`` rows in each, by its place."""
        return tuple(
            AuditedFile(
                path=self.names[place],
                bytes=one.get("bytes"),
                sha256=one.get("sha256"),
                format=str(one.get("format", "")),
                container=str(one.get("container", "")),
                rows=int(one["rows"]),
                rejected=rejected.get(place, 0),
            )
            for place, one in enumerate(self.inputs)
        )


def _alike(paths: list[str]) -> bool:
    """Whether all are absolute paths, which have a common folder."""
    return bool(paths) and all(os.path.isabs(path) for path in paths)  # noqa: PTH117


class Gallery:
    """The rows that are shown, read at once from the pool after it is known which they are."""

    def __init__(self, pool: Pool, places: Places, rows: Iterable[int]) -> None:
        wanted = sorted(set(rows))
        self._places = places
        self._texts = {one.row: _texts(one) for one in pool.examples(wanted)} if wanted else {}

    def shown(self, row: int) -> Shown:
        """The row, to look at."""
        prompt, response = self._texts.get(row, ("", ""))
        return Shown(row, *self._places.of(row), prompt, response)


def _texts(example: Example) -> tuple[str, str]:
    return shortened(example.prompt), shortened(example.response, END)


def shortened(text: str, end: int = 0) -> str:
    """The beginning of a text and its last ``end`` characters, on one line."""
    flat = " ".join(text[: 8 * BEGINNING].split())
    if len(text) <= 8 * BEGINNING and len(flat) <= BEGINNING + end:
        return flat
    tail = " ".join(text[-8 * END :].split())[-end:] if end else ""
    return f"{flat[:BEGINNING]} … {tail}".rstrip()
