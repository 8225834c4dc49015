"""Embeddings of a pool: a unit vector for each row, in one fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from handpicked.errors import ConfigError, StoreError
from handpicked.selectors.balanced import complete
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import id_numbers, numbers

VECTORS, ROWS = "embeddings.npy", "rows.npy"
EMBEDDING = "embedding"
"""The score column that has a value for each row with an embedding: the tokens that the model read."""
MEMORY = 8_000_000_000
"""Bytes that a selector may use; one that would need more refuses before it begins."""
BLOCK = 8192
"""Rows compared at once."""
DECIMALS = 6
"""Digits to which a cosine is the same however the products are cut into blocks."""


@dataclass(frozen=True)
class Embeddings:
    """``vectors`` (float32 [n, dimensions], length 1, often memory-mapped) of the pool rows
    ``rows`` (int64 [n], ascending).

    ``made`` says how: model, text, limit. A dot product of two vectors is their cosine.

    Raises:
        ConfigError: vectors and rows that do not belong together.
    """

    rows: np.ndarray
    vectors: np.ndarray
    made: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.rows):
            raise ConfigError(
                f"embeddings: vectors of shape {self.vectors.shape} do not fit "
                f"{len(self.rows):,} rows; there must be one "
                "vector a row. Make them again."
            )
        if self.vectors.dtype != np.float32:
            raise ConfigError(f"embeddings: vectors are {self.vectors.dtype}, but must be float32.")
        if len(self.rows) > 1 and not (np.diff(self.rows) > 0).all():
            raise ConfigError("embeddings: their row numbers do not ascend, so rows cannot be found by them.")

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows have a vector (boolean)."""
        return np.isin(rows, self.rows)

    @staticmethod
    def load(folder: Path, made: Mapping[str, Any] | None = None) -> Embeddings:
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
        return Embeddings(rows, vectors, made or {})


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
        return len(self) * int(self.embeddings.vectors.shape[1]) * 4

    @cached_property
    def vectors(self) -> np.ndarray:
        """All their vectors in memory, float32 [n, dimensions]."""
        found = np.empty((len(self), self.embeddings.vectors.shape[1]), np.float32)
        for begin in range(0, len(self), BLOCK):
            found[begin : begin + BLOCK] = self.take(slice(begin, begin + BLOCK))
        return found

    def take(self, which: Any) -> np.ndarray:
        """The vectors of these places.

        Raises:
            ConfigError: one of them is not a finite vector of length 1.
        """
        found: np.ndarray = self.embeddings.vectors[self.places[which]]
        lengths = np.einsum("ij,ij->i", found, found)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < 1e-3))
        if len(wrong):
            row = int(self.rows[which][wrong[0]])
            raise ConfigError(
                f"embeddings: the vector of row {row:,} is not of length 1 (its square is "
                f"{lengths[wrong[0]]:g}), so a dot "
                "product is not a cosine. Make the embeddings again, normalised."
            )
        return found


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
    parts: list[list[Any]] = [[np.empty(0, np.int64)], [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]]
    parts += [[np.empty(0)] for _ in columns]
    for batch in scores.batches(columns):
        valued = complete(batch, tuple(columns))
        read = [valued["row"].to_numpy(), *id_numbers(valued["id"])]
        read += [numbers(valued[name], name) for name in columns]
        for part, values in zip(parts, read, strict=True):
            part.append(values)
    rows, high, low, *found = (np.concatenate(part) for part in parts)
    whole = embeddings.has(rows)
    for column in found:
        whole &= ~np.isnan(column) if ceiling is None else column <= ceiling
    order = np.flatnonzero(whole)[np.lexsort((rows[whole], low[whole], high[whole]))]
    places = np.searchsorted(embeddings.rows, rows[order])
    ranked = {name: column[order] for name, column in zip(columns, found, strict=True)}
    return Candidates(embeddings, rows[order], (high[order], low[order]), ranked, places)


def afford(needed: float, what: str, instead: str) -> None:
    """Refuse work that would need more than ``MEMORY`` bytes, before anything is allocated.

    Raises:
        ConfigError: it would; ``instead`` says what to do.
    """
    if needed > MEMORY:
        raise ConfigError(
            f"{what} would need {needed / 1e9:.1f} GB of memory, more than the "
            f"{MEMORY / 1e9:.0f} GB that a selector "
            f"may use. {instead}"
        )
