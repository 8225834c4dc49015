"""Size curves: the smallest size that is enough, by a stated rule that does not
profit from choosing the best.
"""

from __future__ import annotations

import numpy as np
import pytest

from handpicked.statistics.size_curve import sentence, size_curve

ROWS = {"s100": 100, "s300": 300, "s1000": 1000, "all": 5000}


def made(means, prompts=200, noise=0.2, seed=0, count=1):
    """Values of each size around its mean on the same prompts, which differ in how hard they are."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, prompts)
    return {
        arm: [
            {f"p{p}": means[arm] + hard[p] + rng.normal(0, noise) for p in range(prompts)}
            for _ in range(count)
        ]
        for arm in means
    }


def test_the_smallest_size_that_is_not_shown_to_be_worse_is_named():
    means = {"s100": 0.2, "s300": 0.99, "s1000": 1.0, "all": 0.5}
    found = size_curve(made(means), ROWS, "high")
    assert [point.rows for point in found.points] == [100, 300, 1000, 5000]
    assert found.smallest == "s300"
    assert {point.arm: point.enough for point in found.points} == {
        "s100": False,
        "s300": True,
        "s1000": True,
        "all": False,
    }
    assert 0 < found.deficit < 0.1


def test_for_losses_lower_is_better():
    means = {"s100": 2.0, "s300": 1.5, "s1000": 1.0}
    found = size_curve(made(means), ROWS, "low")
    assert found.best == found.smallest == "s1000" and found.deficit == 0
    turned = size_curve(made({arm: -m for arm, m in means.items()}), ROWS, "high")
    assert [p.enough for p in turned.points] == [p.enough for p in found.points]


def test_pairing_by_prompt_finds_what_single_intervals_hide():
    found = size_curve(made({"s100": 0.8, "s300": 1.0}, noise=0.1), ROWS, "high")
    low, best = found.points
    assert low.value.high > best.value.low, "by themselves the intervals overlap"
    assert not low.enough


def test_equal_sizes_are_called_worse_in_no_more_than_one_experiment_of_twenty():
    """Four sizes that do not differ: the rule errs if any of them is called worse than the best of them."""
    wrong = sum(
        not all(
            point.enough
            for point in size_curve(made(dict.fromkeys(ROWS, 0.0), 60, seed=seed), ROWS, "high").points
        )
        for seed in range(200)
    )
    assert wrong / 200 <= 0.085


def test_the_differences_agree_with_the_closed_form_of_two_sizes():
    values = made({"s100": 0.0, "s300": 0.05}, prompts=400)
    found = size_curve(values, ROWS, "high")
    gaps = [values["s100"][0][p] - values["s300"][0][p] for p in values["s100"][0]]
    worse = next(point.to_best for point in found.points if point.to_best)
    half = 1.965927 * np.std(gaps, ddof=1) / np.sqrt(400)  # R: qt(0.975, 399)
    assert worse.high - worse.value == pytest.approx(half, rel=1e-5)
    assert abs(worse.value) == pytest.approx(abs(np.mean(gaps)))


def test_prompts_that_a_size_lacks_do_not_count_and_one_size_is_no_curve():
    values = made({"s100": 0.0, "s300": 1.0})
    values["s100"][0]["p0"] = None
    assert {point.value.n for point in size_curve(values, ROWS, "high").points} == {199}
    assert size_curve({"s100": values["s100"]}, ROWS, "high") is None
    assert size_curve({"s100": values["s100"], "s300": []}, ROWS, "high") is None


def test_seeds_of_a_size_widen_its_difference():
    one = size_curve(made({"s100": 0.0, "s300": 0.3}), ROWS, "high")
    values = made({"s100": 0.0, "s300": 0.3}, count=3)
    for k, luck in enumerate((-0.5, 0.0, 0.5)):
        values["s100"][k] = {p: v + luck for p, v in values["s100"][k].items()}
    several = size_curve(values, ROWS, "high")
    assert not one.points[0].enough and several.points[0].enough


def test_the_sentence_says_the_deficit_that_is_left():
    def say(value):
        return f"{value:.2f}"

    found = size_curve(made({"s100": 0.2, "s300": 0.99, "s1000": 1.0}), ROWS, "high")
    text = sentence(found, "longest", "win rate", say, say)
    assert (
        text.startswith("By win rate, 300 rows of longest") and f"worse by up to {found.deficit:.2f}" in text
    )
    least = size_curve(made({"s100": 1.0, "s300": 0.0}), ROWS, "high")
    assert "the smallest size of longest, 100 rows" in sentence(least, "longest", "win rate", say, say)
    most = size_curve(made({"s100": 0.0, "s300": 1.0}), ROWS, "high")
    assert "every size of longest below the best, 300 rows" in sentence(most, "longest", "win rate", say, say)
