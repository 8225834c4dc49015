"""Of each row that nearly repeats another it is known which."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from handpicked.guards.duplicates import exact_copies, exact_duplicates
from handpicked.guards.near_duplicates import near_copies, near_duplicates
from handpicked.selectors.selector import Scores


def made(signatures, lengths):
    ids = [hashlib.md5(b"%d" % row).hexdigest() for row in range(len(signatures))]
    signed = pa.array([one.astype("<u4").tobytes() for one in signatures], pa.binary(512))
    return pa.table({"row": np.arange(len(ids)), "id": ids, "minhash": signed, "chars": lengths})


def test_a_near_copy_is_like_a_longer_row():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**32, size=(10, 128), dtype=np.uint32)
    signatures = base[np.arange(100) % 10].copy()
    change = rng.random(signatures.shape) < 0.02
    signatures[change] = rng.integers(0, 2**32, change.sum(), dtype=np.uint32)
    lengths = rng.integers(1, 1000, 100)
    rows, like = near_copies(Scores.of(made(signatures, lengths)))
    assert rows.tolist() == near_duplicates(Scores.of(made(signatures, lengths))).tolist()
    assert len(rows) == 90  # all but the longest of each ten
    assert (rows % 10 == like % 10).all() and (lengths[like] >= lengths[rows]).all()
    assert ((signatures[rows] == signatures[like]).mean(axis=1) >= 0.8).all()


def test_very_many_copies_of_one_row_take_little():
    """Every pair shares every band: each row is compared until it is known to be a copy, and no longer."""
    signatures = np.tile(np.arange(128, dtype=np.uint32), (20_000, 1))
    rows, like = near_copies(Scores.of(made(signatures, np.full(20_000, 7))))
    assert len(rows) == 19_999 and len(np.setdiff1d(np.arange(20_000), rows)) == 1
    assert not (rows == like).any()


def test_an_exact_copy_repeats_the_first_row():
    table = pa.table({"row": [3, 5, 8, 9, 11], "id": [one * 32 for one in "abaab"]})
    rows, firsts = exact_copies(Scores.of(table))
    assert (rows.tolist(), firsts.tolist()) == ([8, 9, 11], [3, 3, 5])
    assert exact_duplicates(Scores.of(table)).tolist() == [8, 9, 11]
