"""Targets choose in turn: against the loop that the paper describes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.scorers.lm.round_robin import round_robin


def brute_force(similarities: np.ndarray) -> list[int]:
    """In every round each target offers its next row; what was taken already is not taken
    twice. The order of taking.
    """
    lists = [
        sorted(range(similarities.shape[1]), key=lambda row: (-round(float(of_one[row]), 6), row))
        for of_one in similarities
    ]
    taken: list[int] = []
    for turn in range(similarities.shape[1]):
        for offers in lists:
            if offers[turn] not in taken:
                taken.append(offers[turn])
    return taken


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
def test_it_is_the_loop_over_rounds(rows, targets, seed, coarse):
    draw = np.random.default_rng(seed)
    pool, target = (draw.normal(size=(n, 3)).astype(np.float32) for n in (rows, targets))
    if coarse:  # many ties
        pool, target = np.sign(pool), np.sign(target)
    pool, target = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (pool, target))
    similarities = target @ pool.T
    found = round_robin(target @ pool.T, len(target), len(pool))
    assert np.argsort(found.rank).tolist() == brute_force(similarities)
    assert sorted(found.rank) == list(range(1, rows + 1)), "every budget is exact"
    assert found.similarity == pytest.approx(similarities.max(axis=0), abs=1e-6)


def test_an_example_by_hand():
    """Two targets at right angles: each takes its own, in turn; the third row is
    nearer to the first target.
    """
    root = 0.5**0.5
    pool = np.array([[1, 0], [0, 1], [0.8, 0.6], [root, root]], np.float32)
    target = np.array([[1, 0], [0, 1]], np.float32)
    # round 1: rows 0 and 1; round 2: row 2 (0.8) and row 3 (0.71 against 0.6)
    assert round_robin(target @ pool.T, len(target), len(pool)).rank.tolist() == [1, 2, 3, 4]
    assert round_robin(target[::-1] @ pool.T, len(target), len(pool)).rank.tolist() == [2, 1, 4, 3]


def test_no_rows_at_all():
    assert len(round_robin(np.empty((1, 0), np.float32), 1, 0).rank) == 0
