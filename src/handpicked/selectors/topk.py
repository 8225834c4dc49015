"""The best rows of each group from a stream; memory depends only on what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.errors import ConfigError

SLACK = 1 << 18
"""Rows buffered beyond what is kept before the worst are thrown away."""

PASSES = 8
"""Groups that overflow at once up to which their cuts are looked for one by one."""


class TopK:
    """Keeps the ``quotas[g]`` rows with the highest key of each group ``g``; equal keys go
    by id, then row, ascending.

    Once a group is full, rows below its worst kept key are turned away on arrival, so that nothing is ever
    sorted but the few that may still win.
    """

    def __init__(self, quotas: np.ndarray) -> None:
        self._quotas = np.asarray(quotas, dtype=np.int64)
        self._floors = np.where(self._quotas > 0, -np.inf, np.inf)
        self._limit = 2 * int(self._quotas.sum()) + SLACK
        self._parts: list[tuple[Any, ...]] = []
        self._buffered = 0

    def add(self, groups: Any, keys: Any, ids: tuple[Any, Any], rows: Any) -> None:
        """Offers rows: their group (int), key (float64, no NaN), id (two uint64, high
        and low) and row (int64).
        """
        hopeful = (keys >= self._floors[groups]) & (self._quotas[groups] > 0)
        part = tuple(column[hopeful] for column in (groups, keys, *ids, rows))
        self._parts.append(part)
        self._buffered += len(part[0])
        if self._buffered > self._limit:
            self._prune()

    def _prune(self) -> None:
        if not self._parts:
            return
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        hopeful = self._hopeful(columns[0], columns[1])
        groups, keys, high, low, rows = (column[hopeful] for column in columns)
        order = np.lexsort((rows, low, high, -keys, groups))
        ordered = groups[order]
        starts = (
            np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
            if len(ordered)
            else np.empty(0, np.int64)
        )
        sizes = np.diff(np.r_[starts, len(ordered)])
        rank = np.arange(len(ordered)) - np.repeat(starts, sizes)
        kept = order[rank < self._quotas[ordered]]
        self._parts = [(groups[kept], keys[kept], high[kept], low[kept], rows[kept])]
        self._buffered = len(kept)
        counts = np.bincount(groups[kept], minlength=len(self._quotas))
        worst = np.full(len(self._quotas), np.inf)
        np.minimum.at(worst, groups[kept], keys[kept])
        full = (counts >= self._quotas) & (self._quotas > 0)
        self._floors[full] = worst[full]

    def _hopeful(self, groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Which rows can still be kept by their key alone, so that few are left to sort with all their ties.

        Finding a group's cut costs a pass over all rows, so that it is done where few groups overflow.
        """
        hopeful = np.ones(len(groups), dtype=bool)
        counts = np.bincount(groups, minlength=len(self._quotas))
        over = np.flatnonzero((counts > self._quotas) & (self._quotas > 0))
        for group in over.tolist() if len(over) <= PASSES else ():
            members = groups == group
            quota = int(self._quotas[group])
            cut = np.partition(keys[members], -quota)[-quota]
            hopeful &= ~members | (keys >= cut)
        return hopeful

    def entries(self) -> tuple[np.ndarray, ...]:
        """Group, key, id (high and low) and row of every row kept, by group, best first."""
        self._prune()
        if not self._parts:
            return (
                np.empty(0, np.int64),
                np.empty(0),
                np.empty(0, np.uint64),
                np.empty(0, np.uint64),
                np.empty(0, np.int64),
            )
        return self._parts[0]

    def rows(self) -> np.ndarray:
        """The rows kept, ascending."""
        return np.sort(self.entries()[4])


def id_numbers(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Ids of 32 hex digits as two columns of uint64, high and low, that sort as the ids do."""
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    ids = pc.cast(ids, pa.large_string())
    _, offsets, data = ids.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[ids.offset : ids.offset + len(ids) + 1]
    digits = bytes(memoryview(data)[bounds[0] : bounds[-1]]) if data is not None and len(ids) else b""
    pairs = np.frombuffer(bytes.fromhex(digits.decode("ascii")), dtype=">u8").reshape(-1, 2).astype(np.uint64)
    if len(pairs) != len(ids):
        raise ValueError("ids must be 32 hex digits each")
    return pairs[:, 0], pairs[:, 1]


NO_VALUE = ("", "nan", "none", "null", "n/a", "na")
"""Texts that say that there is no number, in small letters."""


def numbers(values: pa.Array, column: str) -> np.ndarray:
    """The values of a column as float64, NaN where there is none; texts that are numbers count as such.

    Raises:
        ConfigError: the column does not hold numbers.
    """
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([_number(text, column) for text in values.to_pylist()], np.float64)
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        raise ConfigError(f"field: the column {column!r} holds {kind}, no numbers; it cannot be ranked.")
    found: np.ndarray = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _number(text: str | None, column: str) -> float:
    if text is None or text.strip().lower() in NO_VALUE:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"field: the column {column!r} holds text, no numbers (such as {text[:40]!r}); it cannot be ranked. "
            "Choose rows that have one with --where, or another column."
        ) from None
