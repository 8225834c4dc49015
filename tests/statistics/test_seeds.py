"""Intervals over prompts and seeds: right where the seed matters, the old ones where there is only one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.statistics import estimates, seeds


def made(rng, prompts, count, seed_sd, prompt_sd=1.0, noise=0.5):
    hard, luck = rng.normal(0, prompt_sd, prompts), rng.normal(0, seed_sd, count)
    return [{f"p{p}": hard[p] + luck[k] + rng.normal(0, noise) for p in range(prompts)} for k in range(count)]


def test_one_seed_is_the_interval_over_prompts():
    (values,) = made(np.random.default_rng(0), 40, 1, 0)
    plain = estimates.mean(sorted(values), [values[p] for p in sorted(values)])
    assert seeds.mean([values]) == plain


def test_without_any_effect_of_the_seed_the_interval_is_hardly_wider():
    values = made(np.random.default_rng(2), 200, 4, seed_sd=0)
    found = seeds.mean(values)
    flat = [(p, v) for listed in values for p, v in sorted(listed.items())]
    alone = estimates.mean([p for p, _ in flat], [v for _, v in flat])
    assert alone.high - alone.low <= found.high - found.low < 1.35 * (alone.high - alone.low)


def test_where_only_seeds_differ_the_interval_is_students_over_them():
    """Means 1, 2 and 4: mean 7/3, standard error sqrt(7/3 / 3); R: qt(0.975, 2) = 4.302653."""
    values = [{f"p{p}": level for p in range(30)} for level in (1.0, 2.0, 4.0)]
    found = seeds.mean(values)
    half = 4.302653 * (7 / 3 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((7 / 3 - half, 7 / 3 + half), abs=1e-5)


def test_a_seed_without_values_is_reported_and_the_others_are_counted():
    values = made(np.random.default_rng(3), 30, 3, seed_sd=1.0)
    gone = [values[0], dict.fromkeys(values[1]), {}]
    found = seeds.mean(gone)
    assert (found.n, found.missing) == (30, 30)
    assert "over 30 prompts; 2 of 3 seeds have no value" in found.method
    assert (found.low, found.high) == (seeds.mean(values[:1]).low, seeds.mean(values[:1]).high)


def test_a_seed_that_lacks_prompts_weighs_as_much_as_it_has():
    values = [{f"p{p}": 0.0 for p in range(40)}, {f"p{p}": 1.0 for p in range(10)}]
    found = seeds.mean(values)
    assert found.value == pytest.approx(0.2)
    assert found.low < 0 and found.high > 1  # two seeds that differ: t with one degree of freedom


@pytest.mark.parametrize(
    ("met", "fixed", "groups"),
    [
        ([("a", "b")], (), [-1]),
        ([("a1", "b"), ("a2", "b"), ("a3", "b")], (), [0, 1, 2]),
        ([("a1", "b1"), ("a2", "b2"), ("a3", "b3")], (), [0, 1, 2]),
        ([("a1", "b1"), ("a2", "b2"), ("a3", "b1")], (), [0, 1, 0]),
        (
            [("a1", "b1"), ("a1", "b2"), ("a2", "b1"), ("a2", "b2"), ("a3", "b1"), ("a3", "b2")],
            (),
            [0, 1, 0, 1, 0, 1],
        ),
        ([("a1", "b"), ("a2", "b"), ("a1", "c1"), ("a2", "c2")], {"b"}, [0, 1, 0, 1]),
        ([("a", "b"), ("a", "c")], {"a", "b", "c"}, [-1, -1]),
    ],
)
def test_meetings_that_share_a_model_are_one_seed(met, fixed, groups):
    assert seeds.groups(met, fixed) == groups


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
    assert found.value == found.high == 1 and found.low == pytest.approx(estimates.wilson(1.0, 10)[0])


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
