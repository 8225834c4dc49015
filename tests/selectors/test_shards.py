"""Facility location by shards: its value beside the unsharded one's, whoever does the shards."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import clustered, table, unit
from handpicked.errors import ConfigError
from handpicked.progress import SILENT
from handpicked.selection.choice import select
from handpicked.selection.execution import Execution
from handpicked.selectors import coverage, facility_location, shards
from handpicked.selectors.coverage import Dense, Sampled, lazy_greedy
from handpicked.selectors.embeddings import Embeddings, candidates
from handpicked.selectors.facility_location import FacilityLocation, coverage_of
from handpicked.selectors.shards import Deal, ShardChoices, largest, merged
from handpicked.workers import Workers

pytest.importorskip("faiss", reason="needs the embed extra")


def value(vectors, taken):
    """The facility location function."""
    return float(np.maximum(vectors @ vectors[taken].T, 0).max(axis=1).sum())


def saved(folder, embeddings):
    np.save(folder / "embeddings.npy", embeddings.vectors)
    np.save(folder / "rows.npy", embeddings.rows)
    return Embeddings.load(folder)


@pytest.mark.parametrize("neighbours", [None, 60])
@pytest.mark.parametrize("spread", [0.3, 0.8])
@pytest.mark.parametrize("count", [2, 8, 25])
def test_the_value_is_within_a_few_percent_of_the_unsharded(count, spread, neighbours):
    vectors = clustered(3000, groups=60, dimensions=32, spread=spread, seed=1)
    scores, embeddings = table(vectors)
    whole = FacilityLocation(neighbours, embeddings=embeddings).select(scores, 60)
    dealt = FacilityLocation(neighbours, count, sample=1000, embeddings=embeddings).select(scores, 60)
    assert len(set(dealt.tolist())) == 60
    assert value(vectors, dealt) >= 0.95 * value(vectors, whole)
    drawn = np.random.default_rng(0).permutation(3000)[:60]
    assert value(vectors, dealt) > value(vectors, drawn)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_it_reaches_its_share_of_the_best(seed, size, count):
    vectors = clustered(11, groups=4, dimensions=3, seed=seed)
    scores, embeddings = table(vectors)
    taken = FacilityLocation(shards=count, seed=seed, embeddings=embeddings).select(scores, size)
    best = max(value(vectors, list(some)) for some in itertools.combinations(range(11), size))
    assert len(taken) == size
    assert value(vectors, taken) >= (1 - 1 / np.e) / min(count, size) * best - 1e-5


@pytest.mark.parametrize("neighbours", [None, 10])
def test_one_shard_is_the_unsharded_choice(neighbours):
    scores, embeddings = table(clustered(400, groups=30, seed=2))
    whole = FacilityLocation(neighbours, embeddings=embeddings).select(scores, 30)
    dealt = FacilityLocation(neighbours, shards=1, embeddings=embeddings).select(scores, 30)
    assert dealt.tolist() == whole.tolist()


def test_neither_the_order_of_the_pool_nor_its_batches_change_a_choice():
    vectors, order = clustered(500, groups=30, seed=3), np.random.default_rng(3).permutation(500)
    chosen = []
    for given_order, batch in ((np.arange(500), None), (order, 7)):
        scores, embeddings = table(vectors, given_order, batch)
        taken = FacilityLocation(shards=6, sample=90, seed=5, embeddings=embeddings).select(scores, 30)
        chosen.append(sorted(given_order[taken].tolist()))
    assert chosen[0] == chosen[1]


def test_the_seed_deals_and_draws():
    scores, embeddings = table(clustered(500, groups=30, spread=0.8, seed=4))
    rows = candidates(scores, embeddings, ())
    deals = [Deal.of(rows, 6, 50, seed) for seed in (1, 1, 2)]
    assert (deals[0].order == deals[1].order).all() and (deals[0].sample == deals[1].sample).all()
    assert (deals[0].order != deals[2].order).any() and (deals[0].sample != deals[2].sample).any()
    for deal in deals:
        assert sorted(deal.order.tolist()) == list(range(500))
        assert len(set(deal.sample.tolist())) == 50 and (np.diff(deal.sample) > 0).all()
        sizes = np.diff(deal.bounds)
        assert len(sizes) == 6 and sizes.sum() == 500 and sizes.max() <= largest(500, 6)


def test_more_shards_than_rows_leave_some_empty():
    scores, embeddings = table(clustered(9, seed=5))
    for size in (1, 4, 9, 12):
        taken = FacilityLocation(shards=40, embeddings=embeddings).select(scores, size).tolist()
        assert len(set(taken)) == min(size, 9)


TRAP = unit([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1]])
"""Greedy takes the row in the middle first, which covers all somewhat; the best two are one of each side."""


def test_the_best_shards_own_choice_is_kept_where_the_merged_one_is_worse():
    scores, embeddings = table(TRAP)
    rows = candidates(scores, embeddings, ())
    place = {row: number for number, row in enumerate(rows.rows.tolist())}
    sides, middle = np.array([place[0], place[1]]), np.array([place[2]])
    everything = np.arange(5)
    greedy = set(rows.rows[lazy_greedy(Sampled(rows.vectors, rows.vectors), 2)].tolist())
    assert 2 in greedy
    assert set(rows.rows[merged(rows, [sides, middle], everything, 2, 1e9)].tolist()) == {0, 1}
    filled = merged(rows, [sides[:1], middle], everything, 2, 1e9)  # a shard of one row
    assert len(set(filled.tolist())) == 2


@pytest.mark.parametrize("kept", [0, 1 << 30], ids=["made again", "kept"])
def test_with_a_sample_of_all_rows_it_is_exact_coverage(kept, monkeypatch):
    monkeypatch.setattr(coverage, "KEPT", kept)
    monkeypatch.setattr(coverage, "TILE", 16)
    vectors = clustered(150, groups=12, seed=6)
    sampled, exact = Sampled(vectors, vectors), Dense(vectors)
    assert np.allclose(sampled.first(), exact.first(), rtol=1e-5)
    taken = lazy_greedy(sampled, 20)
    assert taken == lazy_greedy(exact, 20)
    assert sampled.worth(np.array(taken)) == pytest.approx(value(vectors, taken), rel=1e-6)
    assert sampled.worth(np.array(taken)) == pytest.approx(float(sampled.covered.sum()), rel=1e-6)


def test_the_limit_of_rows_holds_for_a_shard(monkeypatch):
    monkeypatch.setattr(facility_location, "MOST", 50)
    scores, embeddings = table(clustered(100))
    with pytest.raises(ConfigError, match=r"100 rows are too many.*Set neighbours to 100.*Or set shards"):
        FacilityLocation(embeddings=embeddings).select(scores, 5)
    assert len(FacilityLocation(shards=2, embeddings=embeddings).select(scores, 5)) == 5
    FacilityLocation(shards=2).check(100)
    with pytest.raises(ConfigError, match=r"with 2 shards: 51 rows are too many.*set more shards"):
        FacilityLocation(shards=2).check(101)


def test_a_shard_needs_its_own_rows_and_the_merge_its_matrix():
    whole = FacilityLocation(neighbours=100).needs_of(100_000_000, 384, 10_000).bytes
    dealt = FacilityLocation(neighbours=100, shards=64).needs_of(100_000_000, 384, 10_000)
    assert dealt.bytes < whole / 20
    assert "fewer shards" in FacilityLocation(shards=500).needs_of(100_000, 384, 10_000).instead
    assert "more shards" in FacilityLocation(shards=2).needs_of(300_000, 384, 100).instead


def test_a_task_is_sent_without_its_vectors(tmp_path):
    embeddings = saved(tmp_path, table(clustered(2000, dimensions=64))[1])
    task = ShardChoices(embeddings, tmp_path / "p.npy", (0, 9), partial(coverage_of, neighbours=3), 5, 0.0)
    sent = pickle.dumps(task)
    assert len(sent) < 2000
    assert (pickle.loads(sent).embeddings.vectors == embeddings.vectors).all()
    inside = replace(embeddings, vectors=np.array(embeddings.vectors), folder=None)
    assert (pickle.loads(pickle.dumps(inside)).vectors == embeddings.vectors).all()


def test_a_selection_has_its_workers_do_the_shards(monkeypatch):
    asked = []
    run = shards.run_parts
    monkeypatch.setattr(shards, "run_parts", lambda *given: (asked.append(given[2]), run(*given))[1])
    vectors = clustered(40, groups=9, seed=8)
    rows = [{"prompt": f"p {number}", "response": "yes"} for number in range(40)]
    selector = FacilityLocation(shards=3, embeddings=Embeddings(np.arange(40), vectors))
    two = Execution(workers=Workers(devices="cpu:2"))
    kept = [select(rows, selector, size=9, execution=one).rows.tolist() for one in (Execution(), two)]
    assert kept[0] == kept[1] and len(kept[0]) == 9
    assert [one.devices for one in asked] == ["here", "cpu:2"]


@pytest.mark.parametrize("mapped", [True, False], ids=["mapped", "in memory"])
def test_workers_choose_the_same_rows(mapped, tmp_path, monkeypatch):
    scores, embeddings = table(clustered(600, groups=40, seed=7))
    embeddings = saved(tmp_path, embeddings) if mapped else embeddings
    selector = FacilityLocation(12, 5, sample=200, embeddings=embeddings)
    expected = selector.select(scores, 40).tolist()
    asked = []
    run = shards.run_parts
    monkeypatch.setattr(
        shards, "run_parts", lambda task, files, workers, progress: (
            asked.append(workers.devices), run(task, files, workers, progress)
        )[1],
    )  # fmt: skip
    work = tmp_path / "work"
    work.mkdir()
    both = replace(scores, folder=work, workers=Workers(devices="cpu:2"), progress=SILENT)
    assert selector.select(both, 40).tolist() == expected
    assert selector.select(replace(both, workers=Workers()), 40).tolist() == expected
    assert asked == ["cpu:2", "here"], "by default in this process, GPUs or not"
    assert not list(work.iterdir())
