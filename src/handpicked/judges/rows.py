"""Reads rows of stored reviews and answers from JSON, JSON lines, CSV and Parquet files, or a folder of
them.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import math
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.data.rows import file_rows
from handpicked.data.spool import spooled
from handpicked.errors import PoolError

WRAPPERS = ("data", "rows", "examples", "annotations")
TEXTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress}
PROMPTS = ("text", "prompt", "Instruction", "instruction", "conversations", "question", "query")
"""Fields that hold a prompt, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file, and what its wrapper says of all of them (``{"Meta_Info": ..., "data":
    [...]}``). NaN and infinite numbers, which pandas writes for missing ones, are ``None``.
    """

    file: Path
    rows: list[dict[str, Any]]
    about: Mapping[str, Any]

    @property
    def fields(self) -> frozenset[str]:
        """The names that occur in its first hundred rows."""
        return frozenset(str(name) for row in self.rows[:100] for name in row)

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        name = self.file.name
        for ending in (*PACKED, *TEXTS, ".parquet"):
            name = name.removesuffix(ending)
        return name


def rows_of(path: Path) -> list[Rows]:
    """The rows of a file, or of every file in a folder by name. Raises PoolError saying what is wrong
    where.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _suffix(file) in (*TEXTS, ".parquet"))
        if not files:
            raise PoolError(f"The folder {path} holds no JSON, CSV or Parquet file.")
        return [_file(file) for file in files]
    file = spooled(path)
    if not file.is_file():
        raise PoolError(f"There is no file {path}.")
    return [_file(file)]


def _suffix(file: Path) -> str:
    """What the file holds, by the ending of its name before that of a compression."""
    return Path(file.stem).suffix.lower() if file.suffix.lower() in PACKED else file.suffix.lower()


def _file(file: Path) -> Rows:
    about: Mapping[str, Any] = {}
    found: Any = _parquet(file) if _suffix(file) == ".parquet" else _text(file)
    if isinstance(found, dict):
        wrapper, found = found, _wrapped(found)
        if found != [wrapper]:
            about = {k: v for k, v in wrapper.items() if isinstance(v, (str, int, float))}
            about |= {k: v for part in wrapper.values() if isinstance(part, dict) for k, v in part.items()}
    if not isinstance(found, list):
        raise PoolError(f"{file} holds {type(found).__name__}, where a list of rows with fields is expected.")
    if not found:
        raise PoolError(f"{file} is empty: it holds no rows.")
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise PoolError(
                f"{file}, row {number}: expected an object with fields, found {type(row).__name__}."
            )
    return Rows(file, [_known(row) for row in found], about)


def _wrapped(found: dict[str, Any]) -> list[Any]:
    """The list that holds the rows: the first usual one that is not empty, else the only one there is."""
    named = [found[key] for key in WRAPPERS if isinstance(found.get(key), list)]
    full = [rows for rows in named if rows]
    alone = [value for value in found.values() if isinstance(value, list) and len(found) == 1]
    return next(iter([*full, *named, *alone]), [found])


def _known(value: Any) -> Any:
    """The value with every number that is none (NaN, infinite) made ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items()}
    return [_known(inner) for inner in value] if isinstance(value, list) else value


def _text(file: Path) -> Any:
    try:
        text = _unpacked(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoolError(f"{file} is no UTF-8 text: {error.reason} at byte {error.start}.") from error
    if _suffix(file) in (".csv", ".tsv"):
        return _csv(file, text, "\t" if _suffix(file) == ".tsv" else ",")
    try:
        return _json(text)
    except (ValueError, RecursionError) as error:
        raise PoolError(f"{file} is neither JSON nor JSON lines: {error}.") from error


def _unpacked(file: Path) -> bytes:
    unpack = PACKED.get(file.suffix.lower())
    if file.suffix.lower() in (".zst", ".zip", ".xz"):
        raise PoolError(f"{file} is compressed in a way that is not read here: unpack it, or pack it as .gz.")
    try:
        return unpack(file.read_bytes()) if unpack else file.read_bytes()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise PoolError(f"{file} cannot be read: {error}.") from error


def _csv(file: Path, text: str, delimiter: str) -> list[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise PoolError(f"{file} is not a valid CSV file: {error}.") from error
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise PoolError(f"{file}, row {number}: it has not as many fields as the header.")
    return rows


def _json(text: str) -> Any:
    """One JSON value, or one a line. A line ends at a line feed only: U+2028 may stand in a JSON text."""
    try:
        return json.loads(text, strict=False)
    except ValueError:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) < 2:
            raise
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line, strict=False))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return found


def _parquet(file: Path) -> list[Any]:
    """The rows of a Parquet file, read as a pool's are: damage in it is one line."""
    return [row for _, row in file_rows(file)]


def first_text(row: Mapping[str, Any], *names: str) -> str | None:
    """The first of the fields that holds text, as it is."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def further_input(row: Mapping[str, Any]) -> str:
    """The input beside an instruction: its own field, or that of the first instance (Self-Instruct)."""
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        return first_text(instances[0], "input") or ""
    return first_text(row, "input") or ""


def with_input(prompt: str, row: Mapping[str, Any]) -> str:
    """The prompt and, after a blank line, the input beside it, which makes it another prompt."""
    extra = further_input(row)
    return f"{prompt}\n\n{extra}" if extra else prompt


def number(value: object) -> float | None:
    """A stored number, or a text that is one; ``None`` for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def fields_seen(rows: list[dict[str, Any]]) -> str:
    """The field names of the first row, for messages."""
    return ", ".join(map(str, rows[0])) or "none"
