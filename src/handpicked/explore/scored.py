"""The columns of a scores.parquet, each row's value at the row's place in the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from handpicked.errors import PoolError, StoreError, first_line
from handpicked.explore.columns import Category, Column, Number
from handpicked.explore.index import MOST_VALUES, Index
from handpicked.records import Json
from handpicked.store import read_json, write_text
from handpicked.store.outfolder import MANIFEST

SCORES = "scores.parquet"
STATES = ("kept", "dropped", "rejected")


@dataclass(frozen=True)
class ScoreFile:
    """A scores.parquet that fits an index. ``whole``: it has all rows of the pool, in their order.

    ``units`` says of each score what it is counted in.
    """

    path: Path
    index: Index
    whole: bool
    schema: pa.Schema
    units: Mapping[str, str]

    @property
    def selects(self) -> bool:
        """Whether it says which rows were kept."""
        return "kept" in self.schema.names

    @property
    def scores(self) -> list[str]:
        """The names of its scores and their reasons."""
        return [name for name in self.schema.names if name not in ("row", "id", "kept", "reason")]

    def columns(self) -> list[Column]:
        """Its scores as columns that are read at first use."""
        return [self._column(name) for name in self.scores]

    def state(self, name: str) -> Category:
        """Kept, dropped or rejected. Raises PoolError when the file is damaged."""

        def load() -> tuple[np.ndarray, Sequence[str]]:
            kept = self._placed(pc.cast(self._read("kept"), pa.int8()).to_numpy(zero_copy_only=False), 0)
            return np.where(kept == 1, 0, 1 + self.index.unread_rows).astype(np.int32), STATES

        return Category(name, load, "what became of the row")

    def reason(self, name: str) -> Category:
        """Why a row was not kept."""
        return self._category("reason", name, "why the row was not kept")

    def _column(self, name: str) -> Column:
        type_ = self.schema.field(name).type
        if pa.types.is_boolean(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_):
            return self._category(name, name, self.units.get(name, ""))

        def load() -> np.ndarray:
            values = pc.cast(self._read(name), pa.float64(), safe=False)
            return self._placed(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False), np.nan)

        return Number(name, load, self.units.get(name, ""))

    def _category(self, column: str, name: str, about: str) -> Category:
        def load() -> tuple[np.ndarray, Sequence[str]]:
            values = pc.cast(self._read(column), pa.string())
            encoded = pc.dictionary_encode(values)
            if len(encoded.dictionary) > 100 * MOST_VALUES:
                raise PoolError(f"{self.path}: '{column}' has too many different values to be shown.")
            codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
            return self._placed(codes, -1).astype(np.int32), encoded.dictionary.to_pylist()

        return Category(name, load, about)

    def _read(self, column: str) -> pa.Array:
        with reading(self.path):
            found = pq.read_table(self.path, columns=[column])[column].combine_chunks()
        return found.chunk(0) if isinstance(found, pa.ChunkedArray) else found

    def _placed(self, values: np.ndarray, none: float) -> np.ndarray:
        """The values at the places of their rows, ``none`` at all others."""
        if self.whole:
            return values
        placed = np.full(self.index.rows, none, values.dtype)
        placed[self._read("row").to_numpy()] = values
        return placed


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into a PoolError that names it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PoolError(
            f"{path} is damaged ({first_line(error)}). Write it again with 'handpicked select' or "
            "'handpicked score'."
        ) from error


def score_file(folder: Path, index: Index) -> ScoreFile:
    """The scores in a folder of 'select' or 'score'.

    Raises:
        PoolError: the file is damaged, or is not of this pool as it is now.
    """
    path = folder / SCORES
    with reading(path):
        schema = pq.read_schema(path)
        lacks = [name for name in ("row", "id") if name not in schema.names]
        if lacks:
            raise PoolError(f"{path} has no column '{lacks[0]}', so it is not a file of scores.")
        whole = _whole(path, index)
    if "kept" in schema.names and not whole:
        raise PoolError(
            f"{path} does not say what became of every row of {', '.join(index.paths)}: the pool has "
            f"{index.rows:,} rows now. Give the pool it was made from with --pool."
        )
    return ScoreFile(path, index, whole, schema, _units(folder))


def _whole(path: Path, index: Index) -> bool:
    """Whether the file has all rows in order. That its rows are those of the pool is looked at once, and kept
    beside the index as long as the file stays as it is.
    """
    stat = path.stat()
    key = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    kept = index.folder / f"checked-{hashlib.sha256(key.encode()).hexdigest()[:12]}.txt"
    if not kept.is_file():
        table = pq.read_table(path, columns=["row", "id"])
        write_text(kept, str(_check(path, table["row"].to_numpy(), table["id"], index)))
    return kept.read_text(encoding="utf-8") == "True"


def _check(path: Path, rows: np.ndarray, ids: pa.ChunkedArray, index: Index) -> bool:
    """Scores belong to a row by its number, so each row must still be the one that was scored."""
    if len(rows) and (rows.min() < 0 or rows.max() >= index.rows or len(np.unique(rows)) != len(rows)):
        raise PoolError(
            f"{path} belongs to another pool: it names row {int(rows.max()):,} (or one twice), and "
            f"{', '.join(index.paths)} has {index.rows:,} rows. Give the pool with --pool."
        )
    whole = len(rows) == index.rows and bool((rows == np.arange(index.rows)).all())
    now = pa.chunked_array(index.chunks("id"), pa.string())
    now = now if whole else now.take(pa.array(rows))
    same = pc.fill_null(pc.equal(now, pc.cast(ids, pa.string())), True)
    unread = pc.not_equal(pc.is_null(now), pc.is_null(ids))
    changed = pc.or_(pc.invert(same), unread)
    count = pc.sum(changed).as_py() or 0
    if count:
        row = int(rows[pc.index(changed, True).as_py()])
        raise PoolError(
            f"{path} was made from other rows than {', '.join(index.paths)} has now: {count:,} differ, "
            f"first row {row:,}. Was the pool changed, or read differently (--pool-format, --map, --turns)? "
            "Give the pool it was made from with --pool."
        )
    return whole


def _units(folder: Path) -> dict[str, str]:
    """What each score is counted in, as the manifest says."""
    return {one["name"]: str(one.get("unit", "")) for one in manifest(folder).get("scores", [])}


def manifest(folder: Path) -> Json:
    """The manifest of a folder; empty where there is none. Raises PoolError for a damaged one."""
    path = folder / MANIFEST
    try:
        found = read_json(path) if path.is_file() else {}
    except StoreError as error:
        raise PoolError(str(error)) from error
    if not isinstance(found, dict):
        raise PoolError(f"{path} is damaged: it is not a JSON object. Write the folder again.")
    return found
