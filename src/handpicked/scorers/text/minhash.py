"""A MinHash signature of each row, for near duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.errors import MissingPart
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.words import beginnings, hashed_words

PERMUTATIONS = 128


@dataclass(frozen=True)
class MinHash(Scorer):
    """The MinHash signature (Broder, 1997; 128 permutations, by the library rensa) of a row's lower-cased
    word ``n``-grams over prompt and response; null for rows of fewer than ``n`` words.

    Of a prompt or response only the first million characters count (``words.MOST``). Two signatures agree in
    as large a share of their 128 numbers (uint32, little-endian) as the rows' sets of n-grams overlap
    (Jaccard similarity), give or take 0.04.
    """

    n: int = 3
    seed: int = 0

    name: ClassVar[str] = "minhash"
    listed: ClassVar[bool] = False
    unit: ClassVar[str] = "signature"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow", "rensa")
    columns: ClassVar[tuple[str, ...]] = ("prompt", "response")

    @property
    def missing(self) -> str:  # type: ignore[override]  # it depends on a field
        return f"the row has fewer than {self.n} words"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        try:
            from rensa import RMinHash
        except ImportError as error:
            raise MissingPart(
                "the guard near-duplicates needs the package rensa: pip install rensa."
            ) from error
        both = [beginnings(batch[column].cast(pa.large_string())) for column in self.columns]
        texts = pc.utf8_lower(pc.binary_join_element_wise(*both, pa.scalar(" ", pa.large_string())))
        hashes, owners = hashed_words(texts).ngrams(self.n)
        bounds = np.searchsorted(owners, np.arange(len(batch) + 1))
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, bounds.astype(np.uint64), PERMUTATIONS, self.seed
        )
        signatures = (
            np.array(matrix.to_rows(), dtype="<u4") if len(batch) else np.empty((0, PERMUTATIONS), "<u4")
        )
        counts = np.diff(bounds).tolist()
        rows = [row.tobytes() if count else None for row, count in zip(signatures, counts, strict=True)]
        return pa.array(rows, pa.binary(4 * PERMUTATIONS))
