"""Shares and means: known intervals, what repeated prompts and seeds do to them, and what cannot be estimated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.records import Estimate
from handpicked.statistics import estimates
from handpicked.statistics.crossed import of_mean
from handpicked.statistics.estimates import share_p_value, wilson

T29 = 2.045229642
"""R: qt(0.975, 29)."""


def test_a_share_has_wilsons_interval_with_students_critical_value():
    """30 prompts, 12 hits: Wilson's formula with t[29] and the variance of 30 drawn, which
    is that of 29 / n of them.
    """
    hits = [1.0] * 12 + [0.0] * 18
    ratio = T29**2 / 29
    middle, half = 0.4 + ratio / 2, (ratio * 0.24 + ratio**2 / 4) ** 0.5
    found = estimates.share(range(30), hits)
    assert found.value == 0.4
    assert (found.low, found.high) == pytest.approx(
        ((middle - half) / (1 + ratio), (middle + half) / (1 + ratio)), abs=1e-7
    )


def test_ties_make_a_share_surer_than_wins_and_losses():
    split = estimates.share(range(40), [1.0, 0.0] * 20)
    tied = estimates.share(range(40), [1.0, 0.0, 0.5, 0.5] * 10)
    assert split.value == tied.value == 0.5
    assert tied.high - tied.low < 0.8 * (split.high - split.low)


def test_a_mean_without_skewness_has_students_interval():
    values = [*range(-15, 0), *range(1, 16)]
    error = np.std(values, ddof=1) / 30**0.5
    found = estimates.mean(range(30), [float(v) for v in values])
    assert (found.low, found.high) == pytest.approx((-T29 * error, T29 * error), abs=1e-6)


def test_a_mean_reaches_farther_towards_the_long_tail():
    values = np.random.default_rng(0).lognormal(0, 1, 60).tolist()
    found = estimates.mean(range(60), values)
    assert found.high - found.value > 1.2 * (found.value - found.low)
    turned = estimates.mean(range(60), [-v for v in values])
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_judgements_on_one_prompt_do_not_pose_as_many_prompts():
    prompts = [f"p{i % 20}" for i in range(400)]
    hits = [float(int(p[1:]) % 2) for p in prompts]
    clustered = estimates.share(prompts, hits)
    naive = estimates.share(list(range(400)), hits)
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)


def test_no_items_is_no_value_and_all_alike_has_an_honest_interval():
    assert estimates.share([], [], missing=7) == Estimate(None, None, None, 0, 7, "nothing to count")
    assert estimates.mean([], []) == Estimate(None, None, None, 0, 0, "nothing to average")
    sure = estimates.share(list(range(10)), [1.0] * 10)
    assert (sure.value, sure.high) == (1.0, 1.0)
    assert sure.low == pytest.approx(0.7225, abs=1e-4)  # Wilson's interval for 10 of 10
    assert "Wilson" in sure.method


def test_all_ties_are_even_as_surely_as_no_winner_was_seen():
    """Of 10 ties none has a winner, so that up to 27.8% may; if all were won by one
    side the rate would be 0.639.
    """
    found = estimates.share(range(10), [0.5] * 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.3612, 0.6388), abs=1e-4)
    assert "all alike" in found.method


def test_one_prompt_has_the_interval_of_one_prompt_however_often_it_was_judged():
    found = estimates.share(["p"] * 50, [1.0, 0.0] * 25, seeds=[0, 1] * 25)
    assert (found.low, found.high) == pytest.approx(wilson(0.5, 1))
    assert estimates.mean(["p", "p"], [1.0, 2.0]).low is None


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 2)),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=100)
def test_the_order_changes_nothing_and_the_value_lies_within(items):
    prompts, hits, seeds = zip(*items, strict=True)
    first = estimates.share(prompts, hits, seeds=seeds)
    again = estimates.share(prompts[::-1], hits[::-1], seeds=seeds[::-1])
    assert (first.low, first.high) == pytest.approx((again.low, again.high))
    assert first.value == pytest.approx(again.value)
    assert 0 <= first.low <= first.value <= first.high <= 1
    other = estimates.share(prompts, [1 - hit for hit in hits], seeds=seeds)
    assert (other.low, other.high) == pytest.approx((1 - first.high, 1 - first.low))


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=50)
def test_a_p_value_below_5_percent_comes_with_an_interval_that_leaves_out_even(seed, count):
    rng = np.random.default_rng(seed)
    prompts = np.repeat(np.arange(40), count).tolist()
    seeds = np.tile(np.arange(count), 40).tolist()
    hits = (rng.random(40 * count) < 0.62).astype(float).tolist()
    found = estimates.share(prompts, hits, seeds=seeds)
    p = share_p_value(found.value, 0.5, of_mean(prompts, hits, seeds))
    outside = not found.low <= 0.5 <= found.high
    assert outside or p >= 0.05
    assert count > 1 or outside == (p < 0.05)  # over seeds the p-value asks for more


def test_wilson_against_published_values():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
