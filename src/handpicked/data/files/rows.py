"""Reads the rows of one file of any container, for prompts, answers, reviews and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handpicked.data import arrowtypes
from handpicked.data.files import columnar, text
from handpicked.data.files.container import Container, sniff
from handpicked.data.files.raw import Damage
from handpicked.errors import PoolError


def file_rows(path: Path, fields: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values of a file in order, each with its place; ``fields`` are names that a CSV header may show.

    Raises PoolError for a file that cannot be read, and for the first row that cannot be.
    """
    container = sniff(path, fields)
    if container.kind in ("parquet", "arrow file", "arrow stream"):
        places = _columnar_rows(path, container)
    else:
        runs = text.stream_rows(path, container)
        numbered = enumerate(
            ((line, row) for raw in runs for line, row in zip(raw.lines, raw.rows, strict=True)), 1
        )
        of_array = container.kind == "json array"  # which may have many rows in a line
        places = (
            (f"line {line}, row {number} of the array" if of_array else f"line {line}", row)
            for number, (line, row) in numbered
        )
    for place, row in places:
        if isinstance(row, Damage):
            raise PoolError(f"{path}, {place}: {row.reason}")
        yield place, row


def _columnar_rows(path: Path, container: Container) -> Iterator[tuple[str, Any]]:
    _, groups = columnar.groups(path, container)
    number = 0
    for group in groups:
        for batch in columnar.head(path, container, group) if group.rows else ():
            for row in arrowtypes.objects(batch):
                number += 1
                yield f"row {number}", row
