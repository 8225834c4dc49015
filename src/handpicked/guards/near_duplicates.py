"""Near duplicates by MinHash signatures and banding (Leskovec, Rajaraman, Ullman: Mining of
Massive Datasets, chapter 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.guards.drop import Drop, Listed
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.minhash import PERMUTATIONS, MinHash
from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import id_numbers
from handpicked.store.spilled import RUN, Spilled, in_order, packed, unpacked

BANDS, WIDTH = 25, 5
"""Rows of Jaccard similarity 0.8 share one of 25 bands of 5 numbers with probability
0.9999, of 0.5 with 0.55.
"""
NEIGHBOURS = 64
"""In a band each row is compared with at most this many better ones."""
PIECE = 1 << 14
"""Rows whose signatures are compared at once."""


@dataclass(frozen=True)
class NearDuplicates(Guard):
    """Drops every row that is a near duplicate of a longer one, by MinHash signatures of word 3-grams."""

    limit: Annotated[float, Field(ge=0, le=1)] = 0.80
    """The share of 3-grams (Jaccard similarity) from which two rows are near duplicates, 0 to 1."""

    name: ClassVar[str] = "near-duplicates"
    about: ClassVar[str] = "drops all but the longest of near duplicates (MinHash)"
    source: ClassVar[str] = "Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3"
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
    duplicates have signatures that agree in at least ``threshold`` of their numbers.
    """
    return near_copies(scores, threshold)[0]


def near_copies(scores: Scores, threshold: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """The rows of ``near_duplicates``, and of each a better row that it nearly repeats.

    Memory is a byte a row, 32 for each that is found, and the same for any number of rows beside. All else
    waits in ``scores.folder``: about 760 bytes a row with a signature of 128 numbers.
    """
    signed = Signed.of(scores)
    kept = np.ones(len(signed.rows), bool)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for band in range(BANDS if len(kept) else 0):
        for window in _windows(_sharing(in_order(signed.band(band), scores.folder))):
            found += _alike(window, signed.signatures, kept, threshold)
    copies, better = (np.concatenate(column) for column in zip(*found, strict=True))
    ascending = np.argsort(copies)
    return signed.rows.take(copies[ascending]), signed.rows.take(better[ascending])


@dataclass(frozen=True)
class Signed:
    """What is known of the rows that have a signature, in the order of the scores. A row's place there stands
    for it.
    """

    rows: Spilled
    signatures: Spilled
    bands: Sequence[Spilled]
    """A hash of each band's numbers."""
    ranks: Spilled
    """A row's place among all of them, the best first."""

    @staticmethod
    def of(scores: Scores) -> Signed:
        """Those of ``scores``, read once."""
        folder = scores.folder
        signed = Signed(
            Spilled(np.int64, folder=folder),
            Spilled(np.uint32, PERMUTATIONS, folder),
            [Spilled(np.uint64, folder=folder) for _ in range(BANDS)],
            Spilled(np.uint64, folder=folder),
        )
        best_first = in_order(signed._read(scores), folder)
        for part in in_order(_ranked(best_first), folder):
            signed.ranks.append(unpacked(part)[1])
        return signed

    def _read(self, scores: Scores) -> Iterator[np.ndarray]:
        """Takes in all but the ranks, and yields records of length (longest first), id, row and place."""
        for batch in scores.batches(("minhash", "chars")):
            signed = batch.filter(batch["minhash"].is_valid())
            if not len(signed):
                continue
            places = len(self.rows) + np.arange(len(signed))
            signatures, rows = _matrix(signed["minhash"]), signed["row"].to_numpy()
            self.rows.append(rows)
            self.signatures.append(signatures)
            for band, hashes in zip(self.bands, _hashes(signatures), strict=True):
                band.append(hashes)
            shortness = ~signed["chars"].to_numpy().astype(np.uint64)
            yield packed(shortness, *id_numbers(signed["id"]), rows, places)

    def band(self, number: int) -> Iterator[np.ndarray]:
        """Records of a band's hash, rank and place of all rows."""
        for begin in range(0, len(self.rows), RUN):
            part = slice(begin, begin + RUN)
            ranks = self.ranks[part]
            yield packed(self.bands[number][part], ranks, begin + np.arange(len(ranks)))


def _hashes(signatures: np.ndarray) -> np.ndarray:
    """One hash for each band and row [bands, rows]."""
    numbers = signatures[:, : BANDS * WIDTH].astype(np.uint64).reshape(len(signatures), BANDS, WIDTH)
    hashes = np.zeros((len(signatures), BANDS), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for step in range(WIDTH):
            hashes = (hashes ^ numbers[:, :, step]) * np.uint64(0x9E3779B97F4A7C15)
            hashes ^= hashes >> np.uint64(29)
    by_band: np.ndarray = hashes.T
    return by_band


def _matrix(signatures: pa.Array) -> np.ndarray:
    return np.frombuffer(b"".join(signatures.to_pylist()), dtype="<u4").reshape(len(signatures), -1)


def _ranked(best_first: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Records of place and rank."""
    rank = 0
    for part in best_first:
        yield packed(unpacked(part)[-1], rank + np.arange(len(part)))
        rank += len(part)


@dataclass(frozen=True)
class Window:
    """Rows by a band's hash, then rank: their hashes and places. Those from ``begin`` on are looked at, and
    compared with those before them.
    """

    hashes: np.ndarray
    places: np.ndarray
    begin: int = 0

    def __len__(self) -> int:
        return len(self.places)

    def part(self, begin: int, end: int) -> Window:
        """Its rows from ``begin`` to ``end`` to look at, and as many before them as they are compared with."""
        before = max(0, begin - NEIGHBOURS)
        return Window(self.hashes[before:end], self.places[before:end], begin - before)

    def joined(self, other: Window) -> Window:
        """This one and the one that follows it."""
        hashes = np.concatenate([self.hashes, other.hashes])
        return Window(hashes, np.concatenate([self.places, other.places]))


NOTHING = Window(np.empty(0, np.uint64), np.empty(0, np.int64))


def _sharing(parts: Iterable[np.ndarray]) -> Iterator[Window]:
    """The rows of a band whose hash another one has, from its records in order."""
    last, last_shares = NOTHING, False  # the row whose successor is not known yet
    for part in parts:
        hashes, _, places = unpacked(part)
        whole = last.joined(Window(hashes, places.astype(np.int64)))
        same = whole.hashes[1:] == whole.hashes[:-1]
        shares = np.zeros(len(whole), bool)
        shares[0] = last_shares
        shares[1:] |= same
        shares[:-1] |= same
        last, last_shares = Window(whole.hashes[-1:], whole.places[-1:]), bool(shares[-1])
        shares[-1] = False
        yield Window(whole.hashes[shares], whole.places[shares])
    if last_shares:
        yield last


def _windows(parts: Iterable[Window]) -> Iterator[Window]:
    """The same rows, at most ``PIECE`` of them at a time to look at."""
    before = NOTHING
    for part in parts:
        whole = before.joined(part)
        for begin in range(len(before), len(whole), PIECE):
            yield whole.part(begin, begin + PIECE)
        before = Window(whole.hashes[-NEIGHBOURS:], whole.places[-NEIGHBOURS:])


def _alike(
    window: Window, signatures: Spilled, kept: np.ndarray, threshold: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of rows of a window that repeat a better one, and of the first of those which they do.

    They are ``kept`` (a flag for each place) no longer. Rows that are not kept are compared with no others.
    """
    at = np.arange(len(window))
    new = np.ones(len(window), bool)
    new[1:] = window.hashes[1:] != window.hashes[:-1]
    better = np.minimum(at - np.maximum.accumulate(np.where(new, at, 0)), NEIGHBOURS)  # of the same hash
    worse = at[(better > 0) & (at >= window.begin) & kept[window.places]]
    if not len(worse):
        return
    needed = np.zeros(len(window) + 1, np.int64)
    np.add.at(needed, worse - better[worse], 1)
    np.add.at(needed, worse + 1, -1)
    read = np.cumsum(needed[:-1]) > 0
    numbers, slot = signatures.take(window.places[read]), np.cumsum(read) - 1
    for distance in range(1, NEIGHBOURS + 1):
        worse = worse[better[worse] >= distance]
        if not len(worse):
            return
        alike = (numbers[slot[worse - distance]] == numbers[slot[worse]]).mean(axis=1) >= threshold
        copies = worse[alike]
        kept[window.places[copies]] = False
        yield window.places[copies], window.places[copies - distance]
        worse = worse[~alike]
