"""Finds the data of benchmarks in a folder of files, and reads it into the fields that the hub has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpicked.bench.catalogue import Benchmark
from handpicked.bench.shapes import SHAPES
from handpicked.data.files.container import unpacked_suffix
from handpicked.data.files.rows import file_rows
from handpicked.errors import ConfigError, PoolError
from handpicked.store import digest

SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
SHARD = re.compile(r"-00000-of-00001$")
GENERIC = ("data", "main", "default", "all")
"""Folders of a data set on the hub that do not name it."""
WHOLE = "all"
"""The folder that holds all subjects, beside those of each (MMLU)."""
Row = dict[str, Any]


@dataclass(frozen=True)
class LocalData:
    """The files of one benchmark by the split that each holds; ``evaluated`` is the split that is scored.

    ``shots_from`` is the split that examples come from: the definition's where there is a file for it, else
    another one, and in the last resort the evaluated split itself (lm-eval leaves the evaluated row out of
    its own examples).
    """

    benchmark: Benchmark
    files: Mapping[str, Path]
    evaluated: str
    shots_from: str | None
    identity: str = field(default="")

    def rows(self) -> dict[str, list[Row]]:
        """All rows by split, in the hub's fields. Raises PoolError for a file that cannot
        be read as the benchmark.
        """
        return {split: list(_rows(self.benchmark, file)) for split, file in self.files.items()}

    @property
    def note(self) -> str | None:
        """A note where examples come from another split than in published numbers."""
        wanted = self.benchmark.shots_from
        if wanted is None or self.shots_from == wanted:
            return None
        return f"examples come from {self.files[self.shots_from or self.evaluated].name}, because there is no {wanted} file"


def find(benchmark: Benchmark, folder: Path) -> LocalData:
    """The files of ``benchmark`` in ``folder`` or a folder in it.

    Raises ConfigError when there is no such folder, no file for the split that is scored, or
    more than one for a split.
    """
    if not folder.is_dir():
        raise ConfigError(f"There is no folder '{folder}' with benchmark data (evaluate.bench.data, --data).")
    found: dict[str, Path] = {}
    for file in sorted(file for depth in ("*.*", "*/*.*", "*/*/*.*") for file in folder.glob(depth)):
        split = _split(benchmark, file)
        other = None if split is None else found.get(split)
        if split is None or (other is not None and _rank(other) < _rank(file)):
            continue
        if other is not None and _rank(other) == _rank(file):
            raise ConfigError(
                f"Two files could be the {split} split of {benchmark.name}: {other} and "
                f"{file}. Keep one of them in {folder}."
            )
        found[split] = file
    evaluated = _evaluated(benchmark)
    if evaluated not in found:
        names = benchmark.splits[evaluated].split("|")[0].replace("(", "[").replace(")?", "]")
        raise ConfigError(
            f"{folder} has no data for {benchmark.name}: no file is called "
            f"{names} with {', '.join(SUFFIXES)}. "
            "Add it, or leave out 'data' to read the benchmark from the hub."
        )
    identity = " ".join(f"{split}:{digest(file)}" for split, file in sorted(found.items()))
    return LocalData(benchmark, found, evaluated, _shots_from(benchmark, found, evaluated), identity)


def _rank(file: Path) -> tuple[bool, bool]:
    """Of two files of a split the lower one is read: all subjects before one, a plain file before a packed one."""
    return file.parent.name != WHOLE, file.suffix not in SUFFIXES


def _split(benchmark: Benchmark, file: Path) -> str | None:
    """The split that a file holds, by its name, or as the hub has it by the name of its folder and its own:
    ``ARC-Challenge/test-00000-of-00001.parquet``.
    """
    if unpacked_suffix(file) not in SUFFIXES:
        return None
    stem = SHARD.sub("", file.name.lower()[: file.name.lower().rfind(unpacked_suffix(file))])
    folder = next(
        (part for part in reversed(file.absolute().parent.parts) if part.lower() not in GENERIC), ""
    )
    names = [name.replace("-", "_") for name in (stem, f"{folder.lower()}_{stem}")]
    for split, pattern in benchmark.splits.items():
        if any(re.fullmatch(rf"(?:{pattern})(_\d+)?", name) for name in names):
            return split
    return None


def _evaluated(benchmark: Benchmark) -> str:
    """The split that the definition scores: test where it has one, else validation,
    else (IFEval) its only one.
    """
    return next(split for split in ("test", "validation", "train") if split in benchmark.splits)


def _shots_from(benchmark: Benchmark, found: Mapping[str, Path], evaluated: str) -> str | None:
    if benchmark.shots_from is None:
        return None
    others = [split for split in found if split != evaluated]
    return next(iter([benchmark.shots_from] if benchmark.shots_from in found else others), evaluated)


def _rows(benchmark: Benchmark, file: Path) -> Iterator[Row]:
    shape = SHAPES[benchmark.name]
    for number, row in enumerate(_read(file), start=1):
        try:
            made = shape(row)
        except KeyError as error:
            raise PoolError(
                f"{file}, row {number}: {benchmark.name} needs the field '{error.args[0]}', and this row has "
                f"{', '.join(row) or 'none'}. Rename its fields, or leave out 'data' to "
                "read the benchmark from the hub."
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise PoolError(f"{file}, row {number}: it is not a row of {benchmark.name}: {error}.") from error
        if made is not None:
            yield made


def _read(file: Path) -> list[Row]:
    """All rows of a file, of any container; benchmarks are small. An empty file has
    none, which its result says.
    """
    if not file.stat().st_size:
        return []
    rows = list(file_rows(file))
    if not all(isinstance(row, dict) for _, row in rows):
        raise PoolError(f"{file} must hold a list of rows, each with named fields.")
    return [row for _, row in rows]
