"""Score tables with embeddings, for tests of the selectors that look at meaning."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.selector import Scores


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(count, groups=8, dimensions=16, spread=0.4, seed=0):
    """Unit vectors around ``groups`` random centres."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(groups, dimensions))
    return unit(centres[draw.integers(0, groups, count)] + spread * draw.normal(size=(count, dimensions)))


def id_of(number):
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def table(vectors, order=None, batch=None, **columns):
    """(scores, embeddings) of rows with these vectors and columns; row p of the pool is item ``order[p]``.

    An item's id is its number's hash, so that a permuted pool is the same items at other rows.
    """
    order = np.arange(len(vectors)) if order is None else np.asarray(order)
    rows = pa.array(range(len(order)), pa.int64())
    values = {name: pa.array(column).take(pa.array(order)) for name, column in columns.items()}
    read = pa.table({"row": rows, "id": [id_of(i) for i in order], "embedding": [5.0] * len(order), **values})
    scores = Scores(
        lambda wanted: iter(read.select(["row", "id", *wanted]).to_batches(max_chunksize=batch)),
        read.num_rows,
    )
    return scores, Embeddings(np.arange(len(order)), np.ascontiguousarray(vectors[order]))
