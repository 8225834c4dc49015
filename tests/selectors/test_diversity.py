"""What every selector that looks at meaning promises, whichever it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import clustered, table
from handpicked.errors import ConfigError, StoreError
from handpicked.selectors.car import Car
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.qdit import Qdit
from handpicked.selectors.semdedup import SemDeDup

pytest.importorskip("faiss", reason="needs the embed extra")

MAKERS = {
    "kmeans": lambda e: KMeans(seed=3, embeddings=e),
    "kmeans-few": lambda e: KMeans(clusters=4, seed=3, embeddings=e),
    "kmeans-random": lambda e: KMeans(clusters=4, take="random", seed=3, embeddings=e),
    "kmeans-longest": lambda e: KMeans(clusters=4, take="longest", measure="quality", embeddings=e),
    "k-center": lambda e: KCenter(seed=3, embeddings=e),
    "facility-location": lambda e: FacilityLocation(embeddings=e),
    "facility-location-sparse": lambda e: FacilityLocation(neighbours=8, embeddings=e),
    "deita": lambda e: Deita("quality", threshold=0.97, embeddings=e),
    "qdit": lambda e: Qdit("quality", alpha=0.7, embeddings=e),
    "car": lambda e: Car("quality", clusters=5, seed=3, embeddings=e),
    "semdedup": lambda e: SemDeDup(seed=3, embeddings=e),
    "semdedup-best": lambda e: SemDeDup(column="quality", clusters=3, embeddings=e),
}
RATED = {name: maker for name, maker in MAKERS.items() if "quality" in maker(None).columns}


def pool(count=120, seed=0):
    vectors = clustered(count, seed=seed)
    quality = np.random.default_rng(seed).integers(0, 10, count).astype(float)
    return vectors, quality


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("size", [0, 1, 7, 40])
def test_the_budget_is_exact_and_rows_ascend(maker, size):
    vectors, quality = pool()
    scores, embeddings = table(vectors, quality=quality)
    try:
        rows = maker(embeddings).select(scores, size)
    except ConfigError as error:
        assert "clusters" in str(error) and size == 1  # fewer rows than clusters that were asked for
        return
    assert rows.dtype == np.int64 and len(rows) == size and (np.diff(rows) > 0).all()


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_the_order_of_the_pool_and_its_batches_change_nothing(maker):
    vectors, quality = pool()
    quality = np.round(quality / 3)  # many ties
    vectors[60:70] = vectors[0]  # and exact duplicates
    scores, embeddings = table(vectors, quality=quality)
    chosen = set(maker(embeddings).select(scores, 20).tolist())
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(vectors))
        scores, embeddings = table(vectors, order, batch=7, quality=quality)
        assert {int(order[row]) for row in maker(embeddings).select(scores, 20)} == chosen


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_row_without_an_embedding_or_a_value_is_never_chosen(maker):
    vectors, quality = pool(60)
    values = pa.array([None if i % 5 == 0 else math.nan if i % 5 == 1 else q for i, q in enumerate(quality)])
    scores, whole = table(vectors, quality=values)
    without = np.arange(60) % 7 != 2
    embeddings = Embeddings(whole.rows[without], whole.vectors[without])
    rows = maker(embeddings).select(scores, 20)
    assert len(rows) == 20 and all(row % 7 != 2 for row in rows)
    if "quality" in maker(embeddings).columns:
        assert all(row % 5 > 1 for row in rows)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_more_than_there_is_gives_what_there_is_or_says_why(maker):
    vectors, quality = pool(12)
    scores, embeddings = table(vectors, quality=quality)
    try:
        assert maker(embeddings).select(scores, 30).tolist() == list(range(12))
    except ConfigError as error:
        assert "threshold" in str(error)
    assert maker(embeddings).why_not(30)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_an_empty_pool_gives_nothing(maker):
    scores, embeddings = table(clustered(1)[:0], quality=pa.array([], pa.float64()))
    assert maker(embeddings).select(scores, 0).tolist() == []
    assert maker(embeddings).select(scores, 3).tolist() == []


@pytest.mark.parametrize("maker", RATED.values(), ids=RATED)
def test_text_cannot_be_a_quality(maker):
    vectors, _ = pool(30)
    scores, embeddings = table(vectors, quality=["good"] * 30)
    with pytest.raises(ConfigError, match=r"'quality'.*no numbers"):
        maker(embeddings).select(scores, 10)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_vectors_that_are_not_of_length_one_are_refused(maker):
    vectors, quality = pool(30)
    vectors[4] *= 2
    scores, embeddings = table(vectors, quality=quality)
    with pytest.raises(ConfigError, match="row 4 is not of length 1"):
        maker(embeddings).select(scores, 10)
    vectors[4] = np.nan
    with pytest.raises(ConfigError, match="row 4 is not of length 1"):
        maker(table(vectors)[1]).select(scores, 10)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_what_needs_too_much_memory_is_refused_before_it_begins(maker, monkeypatch):
    vectors, quality = pool()
    scores, embeddings = table(vectors, quality=quality)
    monkeypatch.setattr(Embeddings, "take", lambda *_: 1 / 0)
    little = replace(embeddings, memory=500_001_000)
    with pytest.raises(ConfigError, match=r"would need .* GB of memory.*\. (Give|Select|Set)"):
        maker(little).select(scores, 10)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**70), st.sampled_from(sorted(MAKERS)))
@settings(max_examples=60, deadline=None)
def test_any_size_of_any_pool(count, size, seed, name):
    draw = np.random.default_rng(seed)
    vectors = clustered(count, groups=3, dimensions=4, spread=draw.choice([0.0, 0.3]), seed=draw)
    scores, embeddings = table(vectors, quality=draw.integers(0, 3, count))
    try:
        rows = MAKERS[name](embeddings).select(scores, size)
    except ConfigError as error:
        assert "Lower" in str(error) or "lower" in str(error) or "raise" in str(error)
        return
    assert len(set(rows.tolist())) == len(rows) == min(size, count)


def test_vectors_and_rows_must_belong_together():
    vectors = clustered(5)
    with pytest.raises(ConfigError, match="do not fit 4 rows"):
        Embeddings(np.arange(4), vectors)
    with pytest.raises(ConfigError, match="do not ascend"):
        Embeddings(np.array([0, 2, 1, 3, 4]), vectors)
    with pytest.raises(ConfigError, match="float64"):
        Embeddings(np.arange(5), vectors.astype(np.float64))


def test_embeddings_are_found_in_a_folder_and_mapped(tmp_path):
    vectors = clustered(5)
    np.save(tmp_path / "embeddings.npy", vectors)
    np.save(tmp_path / "rows.npy", np.arange(5))
    found = Embeddings.load(tmp_path, {"model": "some"})
    assert isinstance(found.vectors, np.memmap) and found.made == {"model": "some"}
    (tmp_path / "embeddings.npy").write_bytes(b"torn")
    with pytest.raises(StoreError, match="Delete it"):
        Embeddings.load(tmp_path)
