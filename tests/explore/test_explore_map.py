"""A map of embeddings: its axes are the principal components, and each row keeps its place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_explored import selection

import handpicked as hp
from embedded import clustered
from handpicked.errors import MissingPart
from handpicked.explore import Wanted, embedded, open_wanted
from handpicked.explore.session import Session
from handpicked.selection.kept_scores import Content


def embed(pool, cache, spread=0.05):
    """Vectors of all rows but the last as ``score --scorer embedding`` leaves them in the cache."""
    found = hp.read(pool)
    rows = np.array([example.row for example in found.examples()][:-1])
    folder = cache / "scores" / Content.of(found).identity[:16] / "embedding-0123456789ab" / "done"
    folder.mkdir(parents=True)
    vectors = clustered(len(rows), groups=3, dimensions=8, spread=spread)
    np.save(folder / "embeddings.npy", vectors)
    np.save(folder / "rows.npy", rows)
    return rows, vectors


def test_the_axes_are_the_principal_components(pool, cache):
    rows, vectors = embed(pool, cache)
    found = open_wanted(Wanted((str(pool),)))
    x, y = (axis.values for axis in found.map.axes)
    middle = vectors - vectors.mean(axis=0)
    values = np.sort(np.linalg.eigvalsh(np.cov(middle, rowvar=False)))[::-1]
    assert np.var(x[rows], ddof=1) == pytest.approx(values[0], rel=1e-5)
    assert np.var(y[rows], ddof=1) == pytest.approx(values[1], rel=1e-5)
    assert np.corrcoef(x[rows], y[rows])[0, 1] == pytest.approx(0, abs=1e-6)
    assert f"{values[:2].sum() / values.sum():.0%}" in found.map.about
    assert np.isnan(np.delete(x, rows)).all(), "a row without a vector has no place"


def test_points_are_coloured_by_cluster_state_and_score(pool, cache, tmp_path):
    pytest.importorskip("faiss", reason="no faiss (pip install 'handpicked[embed]')")
    rows, _ = embed(pool, cache)
    session = Session(open_wanted(Wanted((str(selection(pool, tmp_path / "out")),))))
    about = session.about({})["map"]
    for colour in (about["clusters"], "state", "tokens"):
        found = session.scatter({"x": about["x"], "y": about["y"], "colour": colour})
        assert found["rows"] == rows.tolist() and None not in found["colour"]
    clusters = session.opened.table.category("cluster")
    assert sum(clusters.counts()[:-1]) == len(rows)
    few = session.rows({"where": [{"column": about["x"], "low": 0}]})["total"]
    assert few == int((session.opened.map.axes[0].values >= 0).sum())


def test_a_map_is_made_once_and_its_samples_are_seeded(pool, cache, monkeypatch):
    embed(pool, cache)
    monkeypatch.setattr(embedded, "SAMPLE", 10)
    first = open_wanted(Wanted((str(pool),))).map.axes[0].values
    for kept in (cache / "explore").glob("*/map-*.npz"):
        kept.unlink()
    assert np.array_equal(open_wanted(Wanted((str(pool),))).map.axes[0].values, first, equal_nan=True)
    monkeypatch.setattr(embedded, "_keep", None)
    assert open_wanted(Wanted((str(pool),))).map is not None


def test_without_faiss_there_is_a_map_without_clusters(pool, cache, monkeypatch):
    def none(*_):
        raise MissingPart("Clusters need faiss")

    embed(pool, cache)
    monkeypatch.setattr(embedded, "cluster", none)
    found = open_wanted(Wanted((str(pool),)))
    assert found.map is not None and found.map.clusters is None and found.remarks == ()
    assert Session(found).about({})["map"]["clusters"] is None


def test_damaged_embeddings_are_reported_and_the_rows_are_shown(pool, cache):
    embed(pool, cache)
    for file in cache.rglob("embeddings.npy"):
        file.write_bytes(b"nonsense")
    found = open_wanted(Wanted((str(pool),)))
    assert found.map is None and found.table.rows == 40 and "No map" in found.remarks[0]
    json.dumps(Session(found).about({}))


def test_umap_keeps_groups_apart(pool, cache):
    """Where umap-learn is installed, which no extra of handpicked does."""
    pytest.importorskip("umap", reason="umap-learn is not installed")
    rows, vectors = embed(pool, cache)
    found = open_wanted(Wanted((str(pool),), projection="umap"))
    assert [axis.name for axis in found.map.axes] == ["UMAP 1", "UMAP 2"]
    places = np.stack([axis.values[rows] for axis in found.map.axes], axis=1)
    same = (vectors @ vectors.T) > 0.5
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert np.median(apart[same]) < np.median(apart[~same]) / 2


@pytest.mark.parametrize("count", [1, 2, 3, 4, 15])
def test_umap_of_few_vectors_is_a_map(count):
    pytest.importorskip("umap", reason="umap-learn is not installed")
    places = embedded._umap(clustered(count, groups=3, dimensions=8, spread=0.05))
    assert places.shape == (count, 2) and np.isfinite(places).all()
