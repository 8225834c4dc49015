"""K-Means, CaR and SemDeDup against scikit-learn, brute force and examples made by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embedded import clustered, table, unit
from handpicked.errors import ConfigError
from handpicked.selectors import semdedup
from handpicked.selectors.car import Car, principal
from handpicked.selectors.clusters import Clusters, cluster
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.semdedup import SemDeDup, earlier
from handpicked.selectors.vectors import Runs

pytest.importorskip("faiss", reason="needs the embed extra")


def test_the_same_start_gives_scikit_learns_clusters():
    sklearn = pytest.importorskip("sklearn.cluster")
    vectors = clustered(600, groups=12, dimensions=8, seed=1)
    start = vectors[::50][:10].copy()
    ours = cluster(vectors, 10, seed=0, start=start)
    theirs = sklearn.KMeans(10, init=start, n_init=1, max_iter=25, tol=0).fit(vectors)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-5)
    assert (ours.labels == theirs.labels_).all()
    assert np.allclose(ours.centroids, theirs.cluster_centers_, atol=1e-5)


def test_its_own_start_is_as_good_as_scikit_learns():
    sklearn = pytest.importorskip("sklearn.cluster")
    vectors = clustered(2000, groups=60, dimensions=32, spread=0.5, seed=2)
    ours = np.mean([cluster(vectors, 50, seed).inertia for seed in range(4)])
    theirs = np.mean([sklearn.KMeans(50, n_init=1, random_state=s).fit(vectors).inertia_ for s in range(4)])
    assert ours < 1.1 * theirs  # theirs tries several candidates a centre, at many times the price


def test_distances_are_those_to_the_nearest_centroid():
    vectors = clustered(300, seed=3)
    found = cluster(vectors, 7, seed=1)
    all_of_them = ((vectors[:, None] - found.centroids[None]) ** 2).sum(axis=2)
    assert (found.labels == all_of_them.argmin(axis=1)).all()
    assert np.allclose(found.distances, all_of_them.min(axis=1), atol=1e-5)


def test_a_seed_repeats_and_another_differs():
    vectors = clustered(500, groups=40, seed=4)
    one, same, other = (cluster(vectors, 20, seed) for seed in (5, 5, 6))
    assert (one.labels == same.labels).all() and not (one.labels == other.labels).all()


def groups_of_three():
    """Three far groups of three; in each the middle one is nearest to the centroid."""
    angles = [a + d for a in (0.0, 2.0, 4.0) for d in (-0.1, 0.0, 0.1)]
    return unit([[np.cos(a), np.sin(a)] for a in angles])


def test_kmeans_takes_the_middle_the_longest_or_a_random_one_of_each_group():
    scores, embeddings = table(groups_of_three(), tokens=[9, 1, 2, 1, 1, 7, 4, 5, 3])
    assert KMeans(seed=1, embeddings=embeddings).select(scores, 3).tolist() == [1, 4, 7]
    assert KMeans(take="longest", seed=1, embeddings=embeddings).select(scores, 3).tolist() == [0, 5, 7]
    drawn = {
        tuple(KMeans(clusters=3, take="random", seed=s, embeddings=embeddings).select(scores, 3).tolist())
        for s in range(20)
    }
    assert len(drawn) > 3 and all([row // 3 for row in rows] == [0, 1, 2] for rows in drawn)


def test_what_a_small_cluster_lacks_the_others_give():
    vectors = unit([[1, 0, 0]] * 5 + [[0, 1, 0]] * 5 + [[0, 0, 1]])
    scores, embeddings = table(vectors)
    rows = KMeans(clusters=3, seed=0, embeddings=embeddings).select(scores, 9)
    assert len(rows) == 9 and 10 in rows and abs(sum(rows < 5) - sum((rows >= 5) & (rows < 10))) == 0


def test_more_clusters_than_distinct_rows_still_fill_the_budget():
    scores, embeddings = table(unit([[1, 0]] * 6 + [[0, 1]] * 6))
    assert len(KMeans(embeddings=embeddings).select(scores, 8)) == 8


def test_more_clusters_than_rows_are_refused():
    scores, embeddings = table(groups_of_three())
    with pytest.raises(ConfigError, match="clusters: 5 clusters cannot each give one of 4 rows"):
        KMeans(clusters=5, embeddings=embeddings).select(scores, 4)


def test_car_is_the_best_of_each_cluster_and_the_best_of_all():
    # Group 0 is best throughout; groups 1 and 2 get in by their own best row only.
    quality = [9.0, 8.0, 7.0, 1.0, 3.0, 2.0, 4.0, 4.0, 0.0]
    scores, embeddings = table(groups_of_three(), quality=quality)
    tie = min((6, 7), key=lambda row: table(groups_of_three())[0] and _id(row))
    assert Car("quality", clusters=3, seed=1, embeddings=embeddings).select(scores, 5).tolist() == sorted(
        [0, 1, 2, 4, tie]
    )
    assert Car("quality", clusters=3, seed=1, embeddings=embeddings).select(scores, 3).tolist() == sorted(
        [0, 4, tie]
    )
    lowest = (
        Car("quality", highest=False, clusters=3, seed=1, embeddings=embeddings).select(scores, 4).tolist()
    )
    assert lowest == [2, 3, 5, 8]


def _id(row):
    from embedded import id_of

    return id_of(row)


def test_car_equals_the_papers_union_of_two_lists():
    """The n1 best of all and the best of each cluster, where n1 is such that the
    union has the size asked for.
    """
    vectors, quality = clustered(200, seed=5), np.random.default_rng(5).permutation(200).astype(float)
    scores, embeddings = table(vectors, quality=quality)
    rows = Car("quality", seed=2, embeddings=embeddings).select(scores, 40)
    order = np.argsort([_id(row) for row in range(200)])  # the order that the selector works in
    labels = np.empty(200, int)
    labels[order] = cluster(principal(vectors[order]), 10, seed=2).labels
    best = {max(np.flatnonzero(labels == k), key=lambda row: quality[row]) for k in set(labels.tolist())}
    ranked = np.argsort(-quality)
    unions = [best | set(ranked[:n1].tolist()) for n1 in range(200)]
    assert set(rows.tolist()) in [union for union in unions if len(union) == 40]


def test_principal_components_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.decomposition")
    vectors = clustered(400, groups=5, dimensions=12, seed=6)
    ours = principal(vectors, 0.95)[:]
    theirs = sklearn.PCA(0.95, svd_solver="full").fit_transform(vectors)
    assert ours.shape == theirs.shape
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-4)  # signs are free


def test_the_highest_cosine_to_an_earlier_row_by_brute_force(monkeypatch):
    monkeypatch.setattr(semdedup, "BLOCK", 64)  # clusters that span several blocks
    vectors = clustered(150, groups=3, seed=7)
    labels = np.random.default_rng(7).integers(0, 3, 150)
    first = np.random.default_rng(8).integers(0, 20, 150).astype(float)
    found = earlier(Runs.of(vectors), labels, first)
    for row in range(150):
        before = [o for o in range(150) if labels[o] == labels[row] and (first[o], o) < (first[row], row)]
        expected = max((float(vectors[row] @ vectors[o]) for o in before), default=-1)
        assert found[row] == pytest.approx(expected, abs=2e-6)


def test_semdedup_drops_what_is_similar_to_a_row_ranked_before_it():
    """Two groups; in the first the outermost row stays, or the best by quality; a lone row always stays."""
    angles = [0.0, 0.05, 0.2, 3.0]
    scores, embeddings = table(unit([[np.cos(a), np.sin(a)] for a in angles]), quality=[1.0, 9.0, 2.0, 0.0])
    threshold = np.cos(0.1)
    # Centroid of the first three is near 0.083: 0.2 is farthest, then 0.0, then 0.05 (which is within 0.1 of
    # 0.0).
    rows = SemDeDup(threshold=threshold, clusters=2, embeddings=embeddings).select(scores, 4)
    assert rows.tolist() == [0, 2, 3]
    rows = SemDeDup(column="quality", threshold=threshold, clusters=2, embeddings=embeddings).select(
        scores, 4
    )
    assert rows.tolist() == [1, 2, 3]


def test_a_size_is_the_threshold_that_leaves_so_many():
    vectors = clustered(120, groups=6, spread=0.2, seed=9)
    scores, embeddings = table(vectors)
    by_threshold = SemDeDup(threshold=0.95, clusters=6, embeddings=embeddings).select(scores, 120)
    by_size = SemDeDup(clusters=6, embeddings=embeddings).select(scores, len(by_threshold))
    assert 1 < len(by_threshold) < 120 and by_size.tolist() == by_threshold.tolist()


@pytest.mark.parametrize("clusters", [1, 4])
def test_no_two_rows_of_a_cluster_that_semdedup_keeps_are_duplicates(clusters):
    vectors = clustered(100, groups=4, spread=0.15, seed=10)
    scores, embeddings = table(vectors)
    rows = SemDeDup(threshold=0.9, clusters=clusters, seed=1, embeddings=embeddings).select(scores, 100)
    order = np.argsort([_id(row) for row in range(100)])
    labels = np.empty(100, int)
    labels[order] = cluster(vectors[order], clusters, seed=1).labels
    for one, other in itertools.combinations(rows.tolist(), 2):
        assert labels[one] != labels[other] or vectors[one] @ vectors[other] <= 0.9 + 1e-5


def test_distances_that_tie_to_six_digits_are_ties():
    distances = np.array([0.25, 0.25 + 2e-7, 0.26], np.float32)
    found = Clusters(np.zeros(3, np.int64), distances, np.zeros((1, 2), np.float32))
    assert found.nearness.tolist() == [-0.25, -0.25, -0.26]
