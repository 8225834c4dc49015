"""Greedy k-center against one pass a step and against the best choice there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import clustered, table, unit
from handpicked.selectors import k_center
from handpicked.selectors.k_center import KCenter, centres


def one_by_one(vectors, first, size):
    taken = [first]
    distances = np.linalg.norm(vectors - vectors[first], axis=1)
    while len(taken) < size:
        taken.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(vectors - vectors[taken[-1]], axis=1))
    return taken


def radius(vectors, taken):
    return max(min(np.linalg.norm(vector - vectors[t]) for t in taken) for vector in vectors)


@pytest.mark.parametrize("front", [1, 2, 16, 300, 640, 10_000])
def test_the_front_changes_no_choice(monkeypatch, front):
    monkeypatch.setattr(k_center, "FRONT", (front, front))
    monkeypatch.setattr(k_center, "AT_ONCE", 3)
    vectors = clustered(640, groups=40, seed=1)
    assert centres(vectors, 3, 100) == one_by_one(vectors.astype(np.float64), 3, 100)
    repeated = np.repeat(clustered(60, groups=9, seed=2), 3, axis=0)
    apart = [place for place in centres(repeated, 4, 180) if place % 3 == 0 or place == 4]
    assert apart[:60] == one_by_one(repeated.astype(np.float64), 4, 60)


def test_all_vectors_are_read_a_few_times_only(monkeypatch):
    passes = []
    compare = k_center._compare
    monkeypatch.setattr(k_center, "_compare", lambda *given: passes.append(1) or compare(*given))
    monkeypatch.setattr(k_center, "FRONT", (1000, 1000))
    centres(clustered(20_000, groups=200, seed=1), 0, 300)
    assert len(passes) < 12


def test_ties_beyond_the_front_are_taken_in_order(monkeypatch):
    monkeypatch.setattr(k_center, "FRONT", (4, 4))
    assert centres(unit([[1, 0]] * 9 + [[0, 1]] * 9), 2, 18) == [2, 9, 0, 1, *range(3, 9), *range(10, 18)]


@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_the_radius_is_at_most_twice_the_best(seed, size):
    vectors = clustered(12, groups=4, dimensions=3, seed=seed)
    greedy = radius(vectors, centres(vectors, 0, size))
    best = min(radius(vectors, taken) for taken in itertools.combinations(range(12), size))
    assert greedy <= 2 * best + 1e-5


def test_it_goes_to_the_far_ends():
    angles = np.linspace(0, np.pi, 9)
    vectors = unit([[np.cos(a), np.sin(a)] for a in angles])
    assert centres(vectors, 0, 3) == [0, 8, 4]


def test_of_equally_far_rows_the_lower_place_comes_first():
    assert centres(unit([[1, 0], [0, 1], [0, 1], [-1, 0], [0, -1]]), 0, 4) == [0, 3, 1, 4]


def test_rows_that_tie_to_six_digits_are_ties():
    """1 is the farther one by less than a rounding error, in either direction."""
    for end in (1e-7, -1e-7):
        assert centres(unit([[1, 0], [end, 1], [0, -1], [-end, 1]]), 0, 2) == [0, 1]


def test_duplicates_are_taken_last_and_each_once():
    vectors = unit([[1, 0]] * 3 + [[0, 1]] * 3)
    taken = centres(vectors, 1, 6)
    assert taken[:2] == [1, 3] and sorted(taken) == list(range(6))


def test_the_seed_draws_the_first():
    scores, embeddings = table(clustered(200, groups=50, seed=2))
    found = {int(KCenter(seed=seed, embeddings=embeddings).select(scores, 1)[0]) for seed in range(10)}
    assert len(found) > 5


@pytest.mark.parametrize("size", [1, 2, 60])
def test_a_subset_grows_without_changing(size):
    vectors = clustered(60, seed=3)
    assert centres(vectors, 5, 60)[:size] == centres(vectors, 5, size)
