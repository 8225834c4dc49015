"""Embeddings of a pool: a unit vector for each row, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from handpicked.config import LEAST_MEMORY
from handpicked.errors import ConfigError, StoreError
from handpicked.selectors.balanced import complete
from handpicked.selectors.selector import Scores, Selector
from handpicked.selectors.topk import id_numbers, numbers
from handpicked.selectors.vectors import Runs
from handpicked.store.spilled import give_back
from handpicked.workers.machine import ram

VECTORS, ROWS = "embeddings.npy", "rows.npy"
EMBEDDING = "embedding"
"""The score column that has a value for each row with an embedding: the tokens that the model read."""
ROW = 100
"""Bytes of a row's number, id, place and value, and of bringing them into order."""
MOST = 8_000_000_000
"""Bytes that a selector may take on a machine that does not say how much memory it has."""
DECIMALS = 6
"""Digits to which a cosine is the same however the products are cut into blocks."""


@dataclass(frozen=True)
class Embeddings:
    """``vectors`` (float32 or float16 [n, dimensions], length 1, often memory-mapped) of the pool rows
    ``rows`` (int64 [n], ascending).

    ``made`` says how: model, text, limit. A dot product of two vectors is their cosine. ``memory`` is how
    many bytes a selector may take, the program itself included (None: half of what this machine has). It
    changes no choice. Those of a ``folder`` are sent to other processes as its name, and loaded there.

    Raises:
        ConfigError: vectors and rows that do not belong together.
    """

    rows: np.ndarray
    vectors: np.ndarray
    made: Mapping[str, Any] = field(default_factory=dict)
    memory: int | None = None
    folder: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is not None:
            return Embeddings.load, (self.folder.resolve(), dict(self.made), self.memory)
        return Embeddings, (self.rows, np.asarray(self.vectors), dict(self.made), self.memory)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.rows):
            raise ConfigError(
                f"embeddings: vectors of shape {self.vectors.shape} do not fit "
                f"{len(self.rows):,} rows; there must be one "
                "vector a row. Make them again."
            )
        if self.vectors.dtype not in (np.float32, np.float16):
            raise ConfigError(
                f"embeddings: vectors are {self.vectors.dtype}, but must be float32 or float16."
            )
        if len(self.rows) > 1 and not (np.diff(self.rows) > 0).all():
            raise ConfigError("embeddings: their row numbers do not ascend, so rows cannot be found by them.")

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows have a vector (boolean)."""
        return self._at(rows)[1]

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Where the vectors of these rows, which have one, lie (int64)."""
        return self._at(rows)[0]

    def _at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = np.searchsorted(self.rows, rows)
        if not len(self.rows):
            return places, np.zeros(len(rows), bool)
        there: np.ndarray = self.rows[np.minimum(places, len(self.rows) - 1)] == rows
        return places, there

    @property
    def dimensions(self) -> int:
        """Numbers of a vector."""
        return int(self.vectors.shape[1])

    def take(self, places: np.ndarray) -> np.ndarray:
        """The vectors at these places of the file, float32. Those of float16 are made of length 1 again.

        Raises:
            ConfigError: one of them is not a finite vector of length 1.
        """
        found: np.ndarray = self.vectors[places].astype(np.float32, copy=False)
        give_back(self.vectors)
        lengths = np.einsum("ij,ij->i", found, found)
        exact = self.vectors.dtype == np.float32
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < (1e-3 if exact else 1e-2)))
        if len(wrong):
            raise ConfigError(
                f"embeddings: the vector of row {int(self.rows[places][wrong[0]]):,} is not of length 1 (its "
                f"square is {lengths[wrong[0]]:g}), so a dot product is not a cosine. Make the embeddings "
                "again, normalised."
            )
        if not exact:
            found /= np.sqrt(lengths)[:, None]
        return found

    @staticmethod
    def load(folder: Path, made: Mapping[str, Any] | None = None, memory: int | None = None) -> Embeddings:
        """The embeddings that ``score.embedding`` left in ``folder``, memory-mapped.

        Raises:
            StoreError: they are not there or damaged.
        """
        try:
            vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
            rows = np.load(folder / ROWS, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{folder} has no embeddings that can be read: {error}. Delete it and run again."
            ) from error
        return Embeddings(rows, vectors, made or {}, memory, folder)


@dataclass(frozen=True)
class Candidates:
    """The rows that may be selected and have every value, in ascending order of (id, row), independent of the
    order of the pool.

    All choices are made on places in this order, so that the first of equals is the one with the smaller id.
    """

    embeddings: Embeddings
    rows: np.ndarray
    ids: tuple[np.ndarray, np.ndarray]
    values: Mapping[str, np.ndarray]
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def bytes(self) -> int:
        """Memory of all their vectors."""
        return 4 * len(self) * self.embeddings.dimensions

    def afford(self, selector: Selector, size: int) -> float:
        """The bytes besides what the selector needs at the least that it may take.

        Raises:
            ConfigError: it needs more than it may take. Nothing has been read by then.
        """
        return afford(selector, len(self), self.embeddings.dimensions, size, self.embeddings.memory)

    def within(self, room: float) -> Runs:
        """Their vectors, of which ``room`` bytes are held at most."""
        return Runs(self.embeddings.take, self.places, self.embeddings.dimensions, room)

    @cached_property
    def vectors(self) -> np.ndarray:
        """All their vectors in memory, float32 [n, dimensions]."""
        return self.within(self.bytes)[:]

    def take(self, which: np.ndarray) -> np.ndarray:
        """The vectors of these places. Raises ConfigError as ``Embeddings.take``."""
        return self.embeddings.take(self.places[which])


def columns_of(embeddings: Embeddings | None, *values: str | None) -> tuple[str, ...]:
    """The columns that a selector needs: those of ``values`` that it names, and, unless it has its embeddings
    already, the one whose scorer makes them.
    """
    return (*(() if embeddings is not None else (EMBEDDING,)), *(name for name in values if name is not None))


def candidates(
    scores: Scores, embeddings: Embeddings | None, columns: Sequence[str], ceiling: float | None = None
) -> Candidates:
    """The rows of ``scores`` that have an embedding and a value in each of
    ``columns``, none over ``ceiling``.

    Raises:
        ConfigError: a column cannot be ranked, or there are no embeddings.
    """
    if embeddings is None:
        raise ConfigError(
            "embeddings: this selector compares meanings but has no embeddings. "
            "handpicked.selectors makes them; otherwise give "
            "embeddings=Embeddings.load(folder)."
        )
    rows, high, low, *found = _read(scores, columns)
    whole = embeddings.has(rows)
    for column in found:
        whole &= ~np.isnan(column) if ceiling is None else column <= ceiling
    order = np.flatnonzero(whole)
    order = order[np.lexsort((rows[order], low[order], high[order]))]
    ranked = {name: column[order] for name, column in zip(columns, found, strict=True)}
    return Candidates(
        embeddings, rows[order], (high[order], low[order]), ranked, embeddings.places(rows[order])
    )


def _read(scores: Scores, columns: Sequence[str]) -> list[np.ndarray]:
    """Row, both halves of the id, and ``columns`` of every row of ``scores`` that has these."""
    kinds = [np.int64, np.uint64, np.uint64, *[np.float64] * len(columns)]
    found = [np.empty(scores.rows, kind) for kind in kinds]
    count = 0
    for batch in scores.batches(columns):
        valued = complete(batch, tuple(columns))
        read = [valued["row"].to_numpy(), *id_numbers(valued["id"])]
        read += [numbers(valued[name], name) for name in columns]
        for part, values in zip(found, read, strict=True):
            part[count : count + len(valued)] = values
        count += len(valued)
    return [part[:count] for part in found]


def afford(selector: Selector, rows: int, dimensions: int, size: int, memory: int | None) -> float:
    """What ``memory`` (bytes; None: half of what this machine has) leaves besides the least that the selector
    needs for so many embeddings.

    Raises:
        ConfigError: it needs more; the message says what to do.
    """
    needs = selector.needs_of(rows, dimensions, size)
    may = memory or ram() // 2 or MOST
    least = needs.bytes + ROW * rows + LEAST_MEMORY
    if least > may:
        raise ConfigError(
            f"{selector.name}: {rows:,} embeddings of {dimensions:,} numbers would need "
            f"{least / 1e9:.2f} GB of memory, more than the {may / 1e9:.2f} GB that may be taken. "
            f"{needs.instead} Or raise --memory where the machine has more."
        )
    return may - least
