"""Vectors of rows: in the tables of parts, and whether they have a direction."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

BLOCK = 8192
"""Vectors looked at together."""


NumberType = Literal["float32", "float16"]
"""How the numbers of vectors are stored: in four bytes, or in two with three to four digits."""


def with_vectors(
    table: pa.Table, vectors: np.ndarray, valued: np.ndarray, stored: NumberType = "float32"
) -> pa.Table:
    """The table with the column ``vector``: ``vectors`` [n, width] of the n rows that are ``valued``
    (booleans), null of the others. As float16 they must not be longer than 65,504.
    """
    width = vectors.shape[1]
    ends = np.cumsum(valued)
    places = pa.array(np.where(valued, ends - 1, 0), mask=~valued)
    flat = pa.array(np.ascontiguousarray(vectors, stored).reshape(-1))
    return table.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, width).take(places))


def vectors_of(table: pa.Table) -> np.ndarray:
    """The vectors of a table that are not null, float32 [n, width]."""
    column = table["vector"].combine_chunks()
    width = column.type.list_size
    numbers = column.drop_null().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float32).reshape(-1, width)


NO_DIRECTION = "the model gave no vector with a direction: it is zero, or not of finite numbers"
"""Why a row has no value that is a cosine."""


def directed(vectors: np.ndarray) -> np.ndarray:
    """Which vectors [n, width] have a direction, so that there is a cosine: those that are finite
    and not zero. Booleans [n].
    """
    found = np.empty(len(vectors), bool)
    for first in range(0, len(vectors), BLOCK):
        block = vectors[first : first + BLOCK]
        found[first : first + BLOCK] = np.isfinite(block).all(axis=1) & (block != 0).any(axis=1)
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each vector, which must be ``directed``, divided by its length, float32."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: np.ndarray = (vectors / lengths).astype(np.float32)
    return scaled
