"""Rows out of JSON, JSON lines and Parquet files, or a folder of them: what stored reviews and answers come
in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.errors import PoolError
from handpicked.spool import spooled

WRAPPERS = ("data", "rows", "examples")
SUFFIXES = (".json", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file, and what its wrapper says of all of them (``{"Meta_Info": ..., "data":
    [...]}``).
    """

    file: Path
    rows: list[dict[str, Any]]
    about: Mapping[str, Any]


def rows_of(path: Path) -> list[Rows]:
    """The rows of a file, or of every file in a folder by name. Raises PoolError saying what is wrong
    where.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise PoolError(f"The folder {path} holds no .json, .jsonl or .parquet file.")
        return [_file(file) for file in files]
    file = spooled(path)
    if not file.is_file():
        raise PoolError(f"There is no file {path}.")
    return [_file(file)]


def _file(file: Path) -> Rows:
    about: Mapping[str, Any] = {}
    if file.suffix.lower() == ".parquet":
        found: Any = _parquet(file)
    else:
        try:
            found = _json(file.read_text(encoding="utf-8-sig"))
        except (UnicodeDecodeError, ValueError) as error:
            raise PoolError(f"{file} is neither JSON nor JSON lines: {error}.") from error
    if isinstance(found, dict):
        wrapped = [key for key in WRAPPERS if isinstance(found.get(key), list)]
        about = {k: v for part in found.values() if isinstance(part, dict) for k, v in part.items()}
        found = found[wrapped[0]] if wrapped else [found]
    if not found:
        raise PoolError(f"{file} is empty: it holds no rows.")
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise PoolError(
                f"{file}, row {number}: expected an object with fields, found {type(row).__name__}."
            )
    return Rows(file, found, about)


def _json(text: str) -> Any:
    """One JSON value, or one a line."""
    try:
        return json.loads(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return found


def _parquet(file: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    except pa.ArrowException as error:
        raise PoolError(f"{file} is no readable Parquet file: {' '.join(str(error).split())}.") from error
    return rows


def first_text(row: Mapping[str, Any], *names: str) -> str | None:
    """The first of the fields that holds text, as it is."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def fields_seen(rows: list[dict[str, Any]]) -> str:
    """The field names of the first row, for messages."""
    return ", ".join(map(str, rows[0])) or "none"
