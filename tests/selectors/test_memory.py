"""Selectors by embeddings with little memory: the same rows, within the limit, or a refusal before any work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from embedded import clustered, table
from handpicked.config import LEAST_MEMORY
from handpicked.errors import ConfigError
from handpicked.selectors import car, clusters, coverage, k_center, neighbours, semdedup, vectors
from handpicked.selectors.car import Car, principal
from handpicked.selectors.clusters import cluster, drawn
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import ROW, Embeddings, afford
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.neighbours import nearest
from handpicked.selectors.qdit import Qdit
from handpicked.selectors.semdedup import SemDeDup, earlier
from handpicked.selectors.vectors import Runs

faiss = pytest.importorskip("faiss", reason="needs the embed extra")

MAKERS = {
    "kmeans": lambda e: KMeans(clusters=4, seed=3, embeddings=e),
    "kmeans-sampled": lambda e: KMeans(clusters=4, sample=20, seed=3, embeddings=e),
    "k-center": lambda e: KCenter(seed=3, embeddings=e),
    "facility-location": lambda e: FacilityLocation(embeddings=e),
    "facility-location-sparse": lambda e: FacilityLocation(8, embeddings=e),
    "facility-location-shards": lambda e: FacilityLocation(shards=6, sample=200, embeddings=e),
    "facility-location-shards-sparse": lambda e: FacilityLocation(8, 3, 200, embeddings=e),
    "deita": lambda e: Deita("quality", threshold=0.9, embeddings=e),
    "qdit-sparse": lambda e: Qdit("quality", alpha=0.7, neighbours=8, embeddings=e),
    "car": lambda e: Car("quality", clusters=5, seed=3, embeddings=e),
    "semdedup": lambda e: SemDeDup(seed=3, embeddings=e),
}
READ_IN_RUNS = [MAKERS[name] for name in ("kmeans-sampled", "k-center", "facility-location-sparse", "car")]
"""Those that never hold all vectors; of a pool as small as here, K-Means is computed from all rows."""


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 rows and runs that are read ahead of as few, so that a small pool has many."""
    for module in (vectors, clusters, semdedup, car, k_center, neighbours, coverage):
        monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(vectors, "READ", 16)
    monkeypatch.setattr(semdedup, "AHEAD", 4 * 16 * 64)


def with_memory(maker, embeddings, size, more=1):
    """The selector with the least memory that it takes, and so many bytes more."""
    needs = maker(embeddings).needs_of(len(embeddings.rows), embeddings.dimensions, size)
    least = int(needs.bytes) + ROW * len(embeddings.rows) + LEAST_MEMORY
    return maker(replace(embeddings, memory=least + more))


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("more", [1, 4 * 16 * 200])
def test_the_least_memory_gives_the_same_rows(maker, more, small_blocks, tmp_path, monkeypatch):
    points = clustered(900, groups=30, seed=5)
    scores, embeddings = table(points, quality=np.random.default_rng(5).integers(0, 9, 900).astype(float))
    np.save(tmp_path / "embeddings.npy", embeddings.vectors)
    np.save(tmp_path / "rows.npy", embeddings.rows)
    mapped = Embeddings.load(tmp_path)
    expected = maker(embeddings).select(scores, 40).tolist()
    held = []
    read = Runs._read
    monkeypatch.setattr(
        Runs, "_read", lambda self, *span: (read(self, *span), held.append(len(self._buffer)))[0]
    )
    assert with_memory(maker, mapped, 40, more).select(scores, 40).tolist() == expected
    if maker in READ_IN_RUNS:
        assert 0 < max(held) < 900


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_byte_less_is_refused_with_what_to_do(maker, monkeypatch):
    scores, embeddings = table(clustered(300, seed=6), quality=np.arange(300.0))
    monkeypatch.setattr(Embeddings, "take", lambda *_: 1 / 0)
    with pytest.raises(ConfigError) as refused:
        with_memory(maker, embeddings, 20, more=-1).select(scores, 20)
    (line,) = refused.value.mistakes
    assert "300 embeddings of 16 numbers would need 0." in line and "raise --memory" in line
    assert any(word in line for word in ("fewer", "smaller", "neighbours", "more shards"))


def test_what_is_left_beside_the_least_is_reported():
    selector = KMeans(clusters=3)
    least = selector.needs_of(1000, 16, 3).bytes + ROW * 1000 + LEAST_MEMORY
    assert afford(selector, 1000, 16, 3, int(least) + 77) == pytest.approx(77, abs=1)
    assert afford(selector, 1000, 16, 3, None) > 0  # half of this machine


@pytest.mark.parametrize("room", [0, 4 * 16 * 70, 10**9])
def test_runs_are_the_array_whatever_is_read_of_them(room, small_blocks):
    points = clustered(300, seed=7)
    places = np.random.default_rng(7).permutation(300)[:250]
    runs, whole = Runs(points.__getitem__, places, 16, room), points[places]
    assert len(runs) == 250 and runs.shape == whole.shape
    for begin, end in [(0, 10), (60, 130), (0, 250), (249, 250), (100, 101), (240, 400), (7, 7)]:
        assert (runs[begin:end] == whole[begin:end]).all()
        some = np.array([3, 249, 3, 0])
        assert (runs[some] == whole[some]).all()
    order = np.random.default_rng(8).permutation(250)
    again = runs.reordered(order, room)
    assert (again[:] == whole[order]).all() and (runs[5:9] == whole[5:9]).all()


def test_what_is_drawn_is_what_faiss_draws():
    points = clustered(700, groups=9, seed=8)
    given = faiss.Kmeans(16, 3, niter=5, seed=11, min_points_per_centroid=1, max_points_per_centroid=20)
    given.train(points)
    ours = faiss.Kmeans(16, 3, niter=5, seed=11, min_points_per_centroid=1, max_points_per_centroid=20)
    ours.train(drawn(points, 60, 11))
    assert (given.centroids == ours.centroids).all()
    assert drawn(points, 700, 11) is not None and (drawn(points, 700, 11) == points).all()


def test_a_smaller_sample_costs_little_inertia():
    """Of m rows a cluster, the centroid's mean squared error is variance / m: 1 / m of the inertia."""
    points = clustered(6000, groups=6, dimensions=8, spread=0.3, seed=9)
    start = np.stack([points[place] for place in (0, 1, 2, 3, 4, 5)])
    full = cluster(points, 6, seed=1, start=start, sample=10_000).inertia
    few = np.mean([cluster(points, 6, seed=seed, start=start, sample=50).inertia for seed in range(8)])
    assert full * 0.999 < few < full * (1 + 4 / 50)


def test_an_index_made_of_some_rows_at_a_time_finds_the_same_neighbours(small_blocks):
    points = clustered(1000, groups=30, dimensions=16, seed=10)
    for exact in (100, 10_000):
        places, cosines = nearest(points, 7, exact)
        again, worth = nearest(points, 7, exact, room=300 * (4 * 16 + 8))
        assert np.allclose(cosines, worth, atol=1e-6)
        assert np.mean([set(one) == set(other) for one, other in zip(places, again, strict=True)]) > 0.999


def test_principal_components_of_runs_are_those_of_the_array(small_blocks):
    points = clustered(500, dimensions=12, seed=11)
    runs = Runs(points.__getitem__, np.arange(500), 12, 0)
    whole, read = principal(points), principal(runs)
    assert (whole[:] == read[:]).all() and (whole[100:170] == read[100:170]).all()
    assert (whole[np.array([7, 400, 7])] == read[np.array([7, 400, 7])]).all()


def test_a_cluster_larger_than_the_room_is_compared_in_blocks(small_blocks):
    points, labels = clustered(400, seed=12), np.zeros(400, np.int64)
    labels[:30] = 1
    first = np.random.default_rng(12).integers(0, 9, 400).astype(float)
    held = earlier(Runs.of(points), labels, first, room=10**9)
    assert (earlier(Runs(points.__getitem__, np.arange(400), 16, 0), labels, first, room=0) == held).all()


CHILD = """
import hashlib, json, re, sys
import numpy as np, pyarrow as pa
from handpicked.selectors.car import Car
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.selector import Scores
from handpicked.selectors.semdedup import SemDeDup
vectors = np.load(sys.argv[1], mmap_mode="r")
embeddings = Embeddings(np.arange(len(vectors)), vectors, memory=int(sys.argv[3]) or None)
def batches(columns):
    for begin in range(0, len(vectors), 4096):
        rows = np.arange(begin, min(begin + 4096, len(vectors)))
        ids = [hashlib.blake2b(b"%d" % row, digest_size=16).hexdigest() for row in rows.tolist()]
        made = {"row": rows, "id": ids, "embedding": np.full(len(rows), 5.0), "quality": (rows * 7919 % 1009) / 1009}
        yield pa.record_batch({name: made[name] for name in ["row", "id", *columns]})
kept = eval(sys.argv[2]).select(Scores(batches, len(vectors)), 200)
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
print(json.dumps([hashlib.sha256(kept.tobytes()).hexdigest(), peak]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("selector", "memory"),
    [
        ("KMeans(clusters=100, embeddings=embeddings)", 750_000_000),
        ("SemDeDup(clusters=100, embeddings=embeddings)", 900_000_000),
        ("Car('quality', clusters=100, embeddings=embeddings)", 980_000_000),
    ],
)
def test_the_peak_of_a_process_stays_within_the_memory(selector, memory, tmp_path):
    """300,000 vectors of 768 numbers: 0.92 GB, beside which a selector that holds them needs its own."""
    file, draw = tmp_path / "vectors.npy", np.random.default_rng(0)
    kept = np.lib.format.open_memmap(file, "w+", np.float32, (300_000, 768))
    centres = draw.standard_normal((500, 768), np.float32)
    for begin in range(0, len(kept), 20_000):
        part = centres[draw.integers(0, 500, 20_000)] + 0.5 * draw.standard_normal((20_000, 768), np.float32)
        kept[begin : begin + 20_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    kept.flush()

    def chosen(memory):
        command = [sys.executable, "-c", CHILD, str(file), selector, str(memory)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
        return json.loads(done.stdout)

    rows, peak = chosen(memory)
    assert peak < memory
    free, larger = chosen(0)
    assert rows == free and larger > 1_000_000_000
