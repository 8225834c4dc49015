"""Rows of stored reviews, answers and labelled pairs: read as a pool's files are, and unpacked
from what is around them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.data import paths as where_from
from handpicked.data.files import document
from handpicked.data.files.container import SUFFIXES, is_data, sniff, unpacked_suffix
from handpicked.data.files.rows import file_rows
from handpicked.data.formats.logged import logged
from handpicked.data.spool import given_name
from handpicked.errors import PoolError
from handpicked.records import Json

ONE_OBJECT = ("json lines", "json objects")
"""Containers whose only value may hold the rows; that of an array is a row."""
WRAPPERS = (
    "data",
    "rows",
    "examples",
    "annotations",
    "results",
    "samples",
    "records",
    "items",
    "entries",
)
PROMPTS = ("text", "prompt", "Instruction", "instruction", "conversations", "question", "query")
"""Fields that hold a prompt, in the order in which they are tried."""
TURNS = ("messages", "conversations")
"""Fields that hold the turns of one row."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file, and what its wrapper says of all of them (``{"Meta_Info": ..., "data":
    [...]}``). NaN and infinite numbers, which pandas writes for missing ones, are ``None``.
    """

    file: Path
    rows: list[Json]
    about: Mapping[str, object]

    @property
    def fields(self) -> frozenset[str]:
        """The names that occur in its first hundred rows."""
        return frozenset(str(name) for row in self.rows[:100] for name in row)

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        suffix = unpacked_suffix(self.file)
        end = self.file.name.lower().rfind(suffix) if suffix in SUFFIXES else len(self.file.name)
        return self.file.name[:end]


def rows_of(path: Path) -> list[Rows]:
    """The rows of a file, of the files in an archive, or of every data file right in a folder, by name.

    Raises PoolError saying what is wrong where.
    """
    if not path.is_dir() or (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        return [_file(one.path) for one in where_from.files(path)[0]]
    files = sorted(file for file in path.iterdir() if file.is_file() and is_data(Path(file.name)))
    if not files:
        raise PoolError(f"The folder {path} holds no data file ({', '.join(SUFFIXES)}).")
    return [_file(file) for file in files]


def _file(file: Path) -> Rows:
    found = [row for _, row in file_rows(file, PROMPTS)]
    about: Mapping[str, object] = {}
    if len(found) == 1 and isinstance(found[0], dict) and sniff(file, PROMPTS).kind in ONE_OBJECT:
        wrapper = found[0]
        found = _wrapped(wrapper)
        if found != [wrapper]:
            about = {k: v for k, v in wrapper.items() if isinstance(v, (str, int, float))}
            about |= {k: v for part in wrapper.values() if isinstance(part, dict) for k, v in part.items()}
    called = Path(given_name(file))
    if not found:
        raise PoolError(f"{called} is empty: it holds no rows.")
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise PoolError(
                f"{called}, row {number}: expected an object with fields, found {type(row).__name__}."
            )
    return Rows(called, [_known(row) for row in found], about)


def _wrapped(found: Json) -> list[Any]:
    """The rows in the only object of a file: those of the first usual list that is not empty, or of the only
    list there is, those that columns make or that lie under their ids; else the object itself is the one row.
    """
    shapes = document.shapes(found)
    if logged([found], tuple(found)) is not None:
        return [found]
    named = [found[key] for key in WRAPPERS if isinstance(found.get(key), list)]
    split = shapes.get(document.COLUMNS) if "columns" in found else None  # as pandas writes it
    full = [split] if split else [rows for rows in named if rows]
    alone = [
        value
        for name, value in found.items()
        if isinstance(value, list) and len(found) == 1 and name not in TURNS
    ]
    whole = [shapes[shape] for shape in (document.COLUMNS, document.BY_ID) if shape in shapes]
    whole.sort(key=lambda rows: not {*PROMPTS, *TURNS, "question_id"} & set(rows[0]))
    return next(iter([*full, *named, *alone, *whole]), [found])


def _known(value: object) -> Any:
    """The value with every number that is none (NaN, infinite) made ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items()}
    return [_known(inner) for inner in value] if isinstance(value, list) else value


def first_text(row: Mapping[str, object], *names: str) -> str | None:
    """The first of the fields that holds text, as it is."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def further_input(row: Mapping[str, object]) -> str:
    """The input beside an instruction: its own field, or that of the first instance (Self-Instruct)."""
    instances = row.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        return first_text(instances[0], "input") or ""
    return first_text(row, "input") or ""


def with_input(prompt: str, row: Mapping[str, object]) -> str:
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


def fields_seen(rows: list[dict[str, object]]) -> str:
    """The field names of the first row, for messages."""
    return ", ".join(map(str, rows[0])) or "none"
