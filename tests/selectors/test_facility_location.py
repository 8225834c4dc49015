"""Facility location and QDIT against plain greedy, the best choice there is, apricot-select and submodlib."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import clustered, table, unit
from handpicked.errors import ConfigError
from handpicked.selectors import coverage, facility_location
from handpicked.selectors.coverage import Dense, Sparse, lazy_greedy
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.neighbours import nearest
from handpicked.selectors.qdit import Qdit, unit_range


def covered(vectors, taken):
    """The facility location function."""
    cosines = np.maximum(vectors @ vectors[list(taken)].T, 0) if len(taken) else np.zeros((len(vectors), 1))
    return float(cosines.max(axis=1).sum())


def plain_greedy(vectors, size, worth=lambda gain, place: gain):
    vectors = vectors.astype(np.float64)
    taken = []
    for _ in range(size):
        rest = [place for place in range(len(vectors)) if place not in taken]
        now = covered(vectors, taken)
        taken.append(max(rest, key=lambda p: (worth(round(covered(vectors, [*taken, p]) - now, 5), p), -p)))
    return taken


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_is_greedy(seed):
    vectors = clustered(80, groups=10, seed=seed)
    assert lazy_greedy(Dense(vectors), 25) == plain_greedy(vectors, 25)


@pytest.mark.parametrize("kept", [0, 1 << 30], ids=["made again", "kept"])
@pytest.mark.parametrize("tile", [1, 7, 40])
def test_neither_blocks_nor_keeping_cosines_changes_a_choice(tile, kept, monkeypatch):
    vectors = clustered(80, groups=10, seed=3)
    expected = lazy_greedy(Dense(vectors), 30)
    monkeypatch.setattr(coverage, "KEPT", kept)
    monkeypatch.setattr(coverage, "TILE", tile)
    monkeypatch.setattr(coverage, "BLOCK", 3 * tile)
    assert lazy_greedy(Dense(vectors), 30) == expected == plain_greedy(vectors, 30)


@pytest.mark.parametrize("kept", [0, 1 << 30], ids=["made again", "kept"])
def test_a_bound_is_never_below_its_gain_and_hardly_above(kept, monkeypatch):
    monkeypatch.setattr(coverage, "KEPT", kept)
    vectors = clustered(400, groups=40, seed=12)
    exact = Dense(vectors)
    bounds = exact.first()
    for place in np.random.default_rng(12).permutation(400)[:200].tolist():
        bounds -= exact.take(place)
        gains = exact.gains(np.arange(400))
        assert (bounds + exact.slack >= gains).all()
        assert np.allclose(bounds, gains, atol=exact.slack)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_it_reaches_its_share_of_the_best(seed, size):
    vectors = clustered(10, groups=4, dimensions=3, seed=seed)
    greedy = covered(vectors, lazy_greedy(Dense(vectors), size))
    best = max(covered(vectors, taken) for taken in itertools.combinations(range(10), size))
    assert greedy >= (1 - 1 / np.e) * best - 1e-5


def test_all_gains_at_first_are_the_coverage_of_each_row(monkeypatch):
    monkeypatch.setattr(coverage, "TILE", 16)  # several blocks of 32
    monkeypatch.setattr(coverage, "BLOCK", 32)
    vectors = clustered(100, seed=4)
    expected = [covered(vectors, [place]) for place in range(100)]
    assert np.allclose(Dense(vectors).first(), expected, rtol=1e-5)
    assert np.allclose(Dense(vectors).gains(np.arange(100)), expected, rtol=1e-5)
    whole = Sparse(*nearest(vectors, 100))
    assert np.allclose(whole.first(), expected, rtol=1e-5)


def test_with_all_neighbours_the_sparse_choice_is_the_exact_one():
    pytest.importorskip("faiss", reason="needs the embed extra")
    vectors = clustered(90, groups=9, seed=5)
    assert lazy_greedy(Sparse(*nearest(vectors, 90)), 20) == lazy_greedy(Dense(vectors), 20)


def test_few_neighbours_cover_nearly_as_well():
    pytest.importorskip("faiss", reason="needs the embed extra")
    vectors = clustered(1000, groups=50, dimensions=32, spread=0.6, seed=6)
    exact = covered(vectors, lazy_greedy(Dense(vectors), 50))
    sparse = covered(vectors, lazy_greedy(Sparse(*nearest(vectors, 50)), 50))
    assert sparse > 0.97 * exact


def test_neighbours_are_the_nearest_and_an_index_finds_most_of_them():
    pytest.importorskip("faiss", reason="needs the embed extra")
    vectors = clustered(2000, groups=30, dimensions=32, spread=0.5, seed=7)
    expected = np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")[:, :10]
    exact, cosines = nearest(vectors, 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(exact, expected, strict=True)]) > 9.99
    assert np.allclose(cosines[:, 0], 1, atol=1e-5)
    indexed, _ = nearest(vectors, 10, exact=100)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(indexed, expected, strict=True)]) > 8


def assert_same_choice(cosines, ours, theirs):
    """Row for row, until two rows gain the same to float32's precision: from there
    on either choice is right.
    """
    best = np.zeros(len(cosines))
    for mine, other in zip(ours, theirs, strict=True):
        if mine != other:
            gains = np.maximum(cosines[[mine, other]] - best, 0).sum(axis=1)
            assert gains[0] == pytest.approx(gains[1], rel=1e-6)
            return
        best = np.maximum(best, cosines[mine])


@pytest.mark.slow  # it compiles for half a minute
def test_apricot_chooses_the_same():
    apricot = pytest.importorskip("apricot", reason="apricot-select is not installed")
    vectors = clustered(150, groups=12, seed=8)
    cosines = np.maximum(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    theirs = apricot.FacilityLocationSelection(30, metric="precomputed", optimizer="lazy").fit(cosines)
    assert_same_choice(cosines, lazy_greedy(Dense(vectors), 30), theirs.ranking.tolist())


def test_submodlib_chooses_the_same():
    submodlib = pytest.importorskip("submodlib", reason="submodlib is not installed")
    vectors = clustered(150, groups=12, seed=9)
    cosines = np.maximum(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    theirs = submodlib.FacilityLocationFunction(n=150, mode="dense", sijs=cosines, separate_rep=False)
    chosen = [place for place, _ in theirs.maximize(budget=30, optimizer="LazyGreedy", show_progress=False)]
    assert_same_choice(cosines, lazy_greedy(Dense(vectors), 30), chosen)


def test_too_many_rows_are_refused_with_the_variant_to_use(monkeypatch):
    monkeypatch.setattr(facility_location, "MOST", 50)
    scores, embeddings = table(clustered(60))
    with pytest.raises(ConfigError, match=r"too many to compare every two.*Set neighbours to 100"):
        FacilityLocation(embeddings=embeddings).select(scores, 5)
    with pytest.raises(ConfigError, match="Set neighbours to 100"):
        Qdit("quality", embeddings=embeddings).select(table(clustered(60), quality=range(60))[0], 5)
    pytest.importorskip("faiss", reason="needs the embed extra")
    assert len(FacilityLocation(neighbours=5, embeddings=embeddings).select(scores, 5)) == 5


def test_one_row_represents_a_group():
    near = [[1, 0], [1, 0.1], [1, -0.1]]
    vectors = unit([*([*v, 0, 0] for v in near), *([0, 0, *v] for v in near)])
    scores, embeddings = table(vectors)
    assert FacilityLocation(embeddings=embeddings).select(scores, 2).tolist() == [0, 3]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
def test_qdit_maximises_its_equation_step_by_step(alpha):
    vectors, quality = clustered(60, groups=6, seed=10), np.random.default_rng(10).normal(size=60) * 40
    scores, embeddings = table(vectors, quality=quality)
    scaled = (quality - quality.min()) / (quality.max() - quality.min())
    expected = plain_greedy(vectors, 15, lambda gain, place: (1 - alpha) * gain + alpha * scaled[place])
    assert Qdit("quality", alpha=alpha, embeddings=embeddings).select(scores, 15).tolist() == sorted(expected)


def test_the_ends_of_alpha_are_diversity_and_quality():
    vectors, quality = clustered(60, seed=11), np.random.default_rng(11).permutation(60).astype(float)
    scores, embeddings = table(vectors, quality=quality)
    diverse = FacilityLocation(embeddings=embeddings).select(scores, 9)
    assert Qdit("quality", alpha=0, embeddings=embeddings).select(scores, 9).tolist() == diverse.tolist()
    best = np.sort(np.argsort(-quality)[:9])
    assert Qdit("quality", alpha=1, embeddings=embeddings).select(scores, 9).tolist() == best.tolist()
    worst = np.sort(np.argsort(quality)[:9])
    low = Qdit("quality", highest=False, alpha=1, embeddings=embeddings).select(scores, 9)
    assert low.tolist() == worst.tolist()


def test_alpha_is_a_share():
    with pytest.raises(ConfigError, match=r"alpha: 1\.5"):
        Qdit("quality", alpha=1.5, embeddings=table(clustered(3))[1])


def test_equal_quality_has_no_say_and_infinite_quality_no_scale():
    assert unit_range(np.array([3.0, 3.0])).tolist() == [0, 0]
    with pytest.raises(ConfigError, match="infinite"):
        unit_range(np.array([3.0, np.inf]))
