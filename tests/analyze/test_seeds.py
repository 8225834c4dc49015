"""Intervals over prompts and seeds: right where the seed matters, the old ones where there is only one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.analyze import bootstrap, seeds


def made(rng, prompts, count, seed_sd, prompt_sd=1.0, noise=0.5):
    hard, luck = rng.normal(0, prompt_sd, prompts), rng.normal(0, seed_sd, count)
    return [{f"p{p}": hard[p] + luck[k] + rng.normal(0, noise) for p in range(prompts)} for k in range(count)]


def test_one_seed_is_the_bootstrap_over_prompts():
    (values,) = made(np.random.default_rng(0), 40, 1, 0)
    plain = bootstrap.mean(sorted(values), [values[p] for p in sorted(values)])
    assert seeds.mean([values]) == plain


def test_intervals_cover_the_mean_of_all_seeds_and_prompts_over_prompts_alone_do_not(monkeypatch):
    """300 experiments with five seeds whose luck is as large as the prompts' own spread of the mean."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)
    rng, hits, naive = np.random.default_rng(1), 0, 0
    for _ in range(300):
        values = made(rng, 60, 5, seed_sd=0.3)
        found = seeds.mean(values)
        hits += found.low <= 0 <= found.high
        flat = [(p, v) for listed in values for p, v in listed.items()]
        alone = bootstrap.mean([p for p, _ in flat], [v for _, v in flat], resamples=1000)
        naive += alone.low <= 0 <= alone.high
    assert 0.87 <= hits / 300 <= 0.99
    assert naive < hits


def test_without_any_effect_of_the_seed_the_interval_is_hardly_wider():
    values = made(np.random.default_rng(2), 200, 4, seed_sd=0)
    found = seeds.mean(values)
    flat = [(p, v) for listed in values for p, v in sorted(listed.items())]
    alone = bootstrap.mean([p for p, _ in flat], [v for _, v in flat])
    assert alone.high - alone.low < found.high - found.low < 1.35 * (alone.high - alone.low)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 5))
def test_the_value_is_the_plain_mean_and_missing_values_are_counted(order, holes):
    values = [{f"p{p}": float(p * k) for p in range(8)} for k in range(4)]
    flat = [v for listed in values for v in listed.values()]
    assert seeds.mean([values[k] for k in order]).value == pytest.approx(np.mean(flat))
    for p in range(holes):
        values[0][f"p{p}"] = None
    found = seeds.mean(values)
    assert (found.n, found.missing) == (32 - holes, holes)


def test_differences_pair_seed_by_seed_and_the_shorter_list_starts_over():
    a = [{"x": 3.0, "y": 1.0}, {"x": 5.0, "y": None}]
    assert seeds.differences(a, [{"x": 1.0, "y": 1.0}]) == [{"x": 2.0, "y": 0.0}, {"x": 4.0, "y": None}]
    assert seeds.mean(seeds.differences(a, a)).value == 0


def test_where_all_are_won_the_interval_is_wilsons():
    won = [{f"p{p}": 1.0 for p in range(10)} for _ in range(3)]
    found = seeds.mean(won, share=True)
    assert found.value == found.high == 1 and found.low == pytest.approx(bootstrap.wilson(1.0, 10)[0])


def test_a_paired_difference_is_the_mean_difference_over_shared_prompts():
    a, b = {"x": 1.0, "y": 2.0, "only a": 1.0}, {"x": 2.0, "y": 4.0, "z": None}
    found = seeds.mean(seeds.differences([a], [b]))
    assert (found.value, found.n, found.missing) == (-1.5, 2, 2)
    assert seeds.mean(seeds.differences([{}], [{}])).value is None


def test_a_paired_difference_takes_out_the_difficulty_of_prompts():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(3, 1, 200)
    a = {f"p{i}": float(d - 0.1 + rng.normal(0, 0.05)) for i, d in enumerate(difficulty)}
    b = {f"p{i}": float(d) for i, d in enumerate(difficulty)}
    found = seeds.mean(seeds.differences([{**a, "only a": 1.0}], [{**b, "p0": None}]))
    assert found.low < -0.1 < found.high
    assert found.high < 0
    assert (found.n, found.missing) == (199, 2)
    turned, same = (seeds.mean(seeds.differences([x], [y])) for x, y in ((b, a), (a, b)))
    assert turned.value == pytest.approx(-same.value)
    assert seeds.mean(seeds.differences([{}], [{}])).value is None


def test_many_right_and_wrong_answers_drawn_by_kind_give_the_same_interval(monkeypatch):
    rng = np.random.default_rng(5)
    right = rng.random((3, 4000)) < np.array([[0.4], [0.5], [0.45]])
    values = [{f"p{p}": float(hit) for p, hit in enumerate(row)} for row in right]
    del values[0]["p7"]  # a document that one seed lacks
    by_kind = seeds.mean(values)
    monkeypatch.setattr(seeds, "MANY", 10_000)
    one_by_one = seeds.mean(values)
    assert (by_kind.value, by_kind.n) == (one_by_one.value, one_by_one.n) and by_kind.n == 11_999
    width = one_by_one.high - one_by_one.low
    assert by_kind.low == pytest.approx(one_by_one.low, abs=0.05 * width)
    assert by_kind.high == pytest.approx(one_by_one.high, abs=0.05 * width)
