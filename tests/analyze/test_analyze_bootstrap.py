"""Intervals: against the textbook's way of computing them, and against known cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.analyze import bootstrap
from handpicked.records import Estimate


def test_drawing_kinds_of_prompts_is_drawing_prompts():
    """The multinomial shortcut against drawing prompts one by one: the same quantiles, up to the noise of sampling."""
    rng = np.random.default_rng(1)
    totals = np.column_stack([rng.integers(0, 3, 60), rng.integers(1, 4, 60)]).astype(float)
    fast = bootstrap.resampled_totals(totals, 40_000, seed=2)
    slow = np.stack([totals[rng.integers(0, 60, 60)].sum(axis=0) for _ in range(40_000)])
    for statistic in (lambda s: s[:, 0] / s[:, 1], lambda s: s[:, 0]):
        quantiles = [np.quantile(statistic(s), [0.025, 0.25, 0.5, 0.75, 0.975]) for s in (fast, slow)]
        assert quantiles[0] == pytest.approx(quantiles[1], rel=0.02)


def test_an_interval_covers_the_truth_about_95_times_of_100():
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(300):
        hits = rng.random(80) < 0.3
        found = bootstrap.share(list(range(80)), hits.astype(float).tolist(), resamples=500, seed=i)
        inside += found.low <= 0.3 <= found.high
    assert 0.90 <= inside / 300 <= 0.98


def test_judgements_on_one_prompt_do_not_pose_as_many_prompts():
    prompts = [f"p{i % 20}" for i in range(400)]
    hits = [float(int(p[1:]) % 2) for p in prompts]
    clustered = bootstrap.share(prompts, hits)
    naive = bootstrap.share(list(range(400)), hits)
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)


def test_no_items_is_no_value_and_all_alike_has_an_honest_interval():
    assert bootstrap.share([], [], missing=7) == Estimate(None, None, None, 0, 7, "nothing to count")
    sure = bootstrap.share(list(range(10)), [1.0] * 10)
    assert (sure.value, sure.high) == (1.0, 1.0)
    assert sure.low == pytest.approx(0.7225, abs=1e-4)  # Wilson's interval for 10 of 10
    assert "Wilson" in sure.method


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=40),
    st.integers(0, 9),
)
@settings(max_examples=50)
def test_same_seed_same_interval_whatever_the_order_and_value_within_it(items, seed):
    prompts, hits = zip(*items, strict=True)
    first = bootstrap.share(prompts, hits, seed=seed, resamples=200)
    again = bootstrap.share(prompts[::-1], hits[::-1], seed=seed, resamples=200)
    assert (first.low, first.high) == (again.low, again.high)
    assert first.value == pytest.approx(again.value)
    assert 0 <= first.low <= first.high <= 1


def test_wilson_against_published_values():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert bootstrap.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
