"""Near duplicates by MinHash signatures and banding (Leskovec, Rajaraman, Ullman: Mining of
Massive Datasets, chapter 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.guards.drop import Drop, Listed
from handpicked.guards.guard import Guard
from handpicked.records import Cost
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.minhash import MinHash
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import id_numbers

BANDS, WIDTH = 25, 5
"""Rows of Jaccard similarity 0.8 share one of 25 bands of 5 numbers with probability
0.9999, of 0.5 with 0.55.
"""
NEIGHBOURS = 64
"""In a band each row is compared with at most this many better ones."""
PIECE = 1 << 14
"""Pairs whose signatures are compared at once."""


@dataclass(frozen=True)
class NearDuplicates(Guard):
    """Drops every row that is a near duplicate of a longer one, by MinHash signatures of word 3-grams."""

    limit: Annotated[float, Field(ge=0, le=1)] = 0.80
    """The share of 3-grams (Jaccard similarity) from which two rows are near duplicates, 0 to 1."""

    name: ClassVar[str] = "near-duplicates"
    about: ClassVar[str] = "drops all but the longest of near duplicates (MinHash)"
    source: ClassVar[str] = "Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3"
    cost: ClassVar[Cost] = "text"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "limit"
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return f"a longer row has {self.limit:.0%} of its 3-grams (Jaccard similarity, estimated)"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (MinHash(), LengthChars())

    def make(self, scores: Scores) -> Drop:
        return Listed(self.name, near_duplicates(scores, self.limit), self.rule)


def near_duplicates(scores: Scores, threshold: float = 0.8) -> np.ndarray:
    """Every row (ascending) of which a better one is a near duplicate: longer, then
    smaller id, then smaller row.

    ``scores`` have the columns ``minhash`` (signatures, null for very short rows) and ``chars``. Near
    duplicates have signatures that agree in at least ``threshold`` of their numbers. Needs about 240 bytes of
    memory a row, and 512 more for each that shares a band with another.
    """
    return near_copies(scores, threshold)[0]


def near_copies(scores: Scores, threshold: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ``near_duplicates``, and of each a better row that it nearly repeats."""
    parts = list(_bands(scores))
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    bands, lengths, high, low, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    rank = np.empty(len(rows), np.int64)
    rank[np.lexsort((rows, low, high, -lengths))] = np.arange(len(rows))
    shared = _shared(bands)
    signatures = _signatures(scores, rows[shared])
    slot = np.cumsum(shared) - 1
    like = np.full(len(rows), -1)
    for better, worse in _candidates(bands, rank, np.flatnonzero(shared), like):
        alike = (signatures[slot[better]] == signatures[slot[worse]]).mean(axis=1) >= threshold
        like[worse[alike]] = better[alike]
    copies = np.flatnonzero(like >= 0)
    return rows[copies], rows[like[copies]]


def _bands(scores: Scores) -> Iterator[tuple[np.ndarray, ...]]:
    """Band hashes, length, id and row of each batch's rows that have a signature."""
    for batch in scores.batches(("minhash", "chars")):
        signed = batch.filter(batch["minhash"].is_valid())
        if not len(signed):
            continue
        numbers = (
            _matrix(signed["minhash"])[:, : BANDS * WIDTH]
            .astype(np.uint64)
            .reshape(len(signed), BANDS, WIDTH)
        )
        hashes = np.zeros((len(signed), BANDS), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for step in range(WIDTH):
                hashes = (hashes ^ numbers[:, :, step]) * np.uint64(0x9E3779B97F4A7C15)
                hashes ^= hashes >> np.uint64(29)
        yield hashes, signed["chars"].to_numpy(), *id_numbers(signed["id"]), signed["row"].to_numpy()


def _matrix(signatures: pa.Array) -> np.ndarray:
    return np.frombuffer(b"".join(signatures.to_pylist()), dtype="<u4").reshape(len(signatures), -1)


def _shared(bands: np.ndarray) -> np.ndarray:
    """Which places share a band with another."""
    shared = np.zeros(len(bands), bool)
    for band in range(bands.shape[1]):
        order = np.argsort(bands[:, band])
        same = bands[order[1:], band] == bands[order[:-1], band]
        shared[order[1:][same]] = shared[order[:-1][same]] = True
    return shared


def _candidates(
    bands: np.ndarray, rank: np.ndarray, places: np.ndarray, like: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of ``places`` (better, worse) that share a band, in pieces, but for those whose worse is known to
    be ``like`` (not -1) a better one by then.
    """
    for band in range(bands.shape[1]):
        order = places[np.lexsort((rank[places], bands[places, band]))]
        values = bands[order, band]
        for distance in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            same = np.flatnonzero(values[distance:] == values[:-distance])
            if not len(same):
                break
            open_ = same[like[order[same + distance]] < 0]
            for begin in range(0, len(open_), PIECE):
                piece = open_[begin : begin + PIECE]
                yield order[piece], order[piece + distance]


def _signatures(scores: Scores, rows: np.ndarray) -> np.ndarray:
    """The signatures of these rows, in their order (ascending)."""
    parts = [np.empty((0, 0), np.uint32)]
    for batch in scores.batches(("minhash",)) if len(rows) else ():
        mask = np.isin(batch["row"].to_numpy(), rows)
        if mask.any():
            parts.append(_matrix(batch.filter(pa.array(mask.tolist()))["minhash"]))
    return np.concatenate(parts[1:] or parts)
