"""Histograms count every row once; points are a sample that says so; diffs put
both answers together again.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.errors import ConfigError
from handpicked.explore.columns import Category, Number
from handpicked.explore.figures import POINTS, histogram, overlap, points, value_counts
from handpicked.explore.pairs import MOST_PIECES, Pairs, diff
from handpicked.votes.open import cases_of
from made_folder import CANDIDATE, RIVAL, prompts, run_folder

FLOATS = st.lists(
    st.one_of(st.floats(allow_nan=True, allow_infinity=True, width=32), st.integers(-50, 50).map(float)),
    max_size=60,
)


def numbers(values):
    return Number("n", lambda: np.array(values, float))


@given(FLOATS, st.randoms())
def test_a_histogram_counts_every_finite_value_once(values, random):
    column = numbers(values)
    mask = np.array([random.random() < 0.5 for _ in values], bool)
    found = histogram(column, mask)
    finite = [value for value in values if math.isfinite(value)]
    assert sum(found.all) == len(finite)
    inside = [
        value for value, there in zip(values, mask.tolist(), strict=True) if there and math.isfinite(value)
    ]
    assert sum(found.found) == len(inside) and found.missing == int(mask.sum()) - len(inside)
    assert found.edges == sorted(set(found.edges)), "edges ascend"
    if finite:
        assert (found.low, found.high) == (min(finite), max(finite))


def test_whole_numbers_have_bins_of_whole_width():
    found = histogram(numbers([1, 1, 2, 5]), None)
    assert found.edges == [1, 2, 3, 4, 5, 6] and found.all == [2, 1, 0, 0, 1]


def test_few_far_values_do_not_squeeze_the_others():
    found = histogram(numbers([*np.linspace(0, 1, 999), 1e6]), None)
    assert found.edges[-2] < 1.1 and found.edges[-1] == 1e6 and sum(found.all) == 1000


def test_of_many_rows_a_sample_is_drawn_and_reported():
    column, other = numbers(np.arange(20_000.0)), numbers(np.arange(20_000.0) ** 2)
    found = points(column, other, None, None)
    assert (len(found.rows), found.total) == (POINTS, 20_000) and len(set(found.rows)) == POINTS
    assert found == points(column, other, None, None), "the same sample every time"
    assert found.y == [row**2 for row in found.x]


def test_points_without_a_value_are_left_out_and_colours_go_with_their_rows():
    kinds = Category("k", lambda: (np.array([0, -1, 1], np.int32), ["a", "b"]))
    found = points(numbers([1, 2, math.nan]), numbers([1, 2, 3]), kinds, None)
    assert (found.rows, found.colour, found.texts, found.total) == ([0, 1], [0, -1], ["a", "b"], 2)
    assert points(numbers([1, 2]), numbers([1, 2]), numbers([math.inf, 5]), None).colour == [None, 5.0]
    assert value_counts(kinds, np.array([True, True, False])) == [("a", 1, 1), ("b", 1, 0)]


@given(st.lists(st.lists(st.booleans(), min_size=20, max_size=20), min_size=2, max_size=10))
def test_combinations_of_arms_add_up(marks):
    kept = {f"arm {n}": np.array(one) for n, one in enumerate(marks)}
    found = overlap(kept, None)
    assert found.none + found.others + sum(count for _, count in found.combinations) == 20
    assert list(found.sizes) == [sum(one) for one in marks]


TEXTS = st.text("ab .\nß", max_size=60)


@given(TEXTS, TEXTS)
def test_a_diff_holds_both_answers_whole(a, b):
    parts = diff(a, b)
    assert "".join(part[1] for part in parts) == a and "".join(part[2] for part in parts) == b
    assert all(part[1] == part[2] for part in parts if part[0] == "equal")


def test_answers_too_long_for_a_diff_say_so():
    assert diff("word " * MOST_PIECES, "b") is None


@pytest.fixture
def pairs(tmp_path):
    return Pairs(cases_of(run_folder(tmp_path / "run", judges=("first/judge", "second"))))


def test_pairs_are_found_by_each_of_their_sides(pairs):
    about = pairs.about()
    assert (about["total"], about["first"], about["rivals"]) == (12, [CANDIDATE], [RIVAL])
    for judge in about["judges"]:
        counts = pairs.found({"judge": judge})["counts"]
        assert sum(counts.values()) == 12
        for outcome, count in counts.items():
            found = pairs.found({"judge": judge, "outcome": outcome})
            assert found["total"] == count and {one["outcome"] for one in found["pairs"]} <= {outcome}
    lengths = [pairs.found({"length": length})["total"] for length in about["lengths"]]
    assert sum(lengths) == 12
    sets = {prompt.test_set for prompt in prompts(12)}
    assert sum(pairs.found({"test_set": one})["total"] for one in sets) == 12
    assert pairs.found({"search": "QUESTION 11:"})["total"] == 1
    assert pairs.found({"search": "covers more"})["total"] == 12, "the judge's words are searched"


def test_pages_of_pairs_join_to_all_of_them(pairs):
    pages = [pairs.found({"offset": at, "limit": 5})["pairs"] for at in (0, 5, 10, 15)]
    assert [one["id"] for page in pages for one in page] == [case.id for case in pairs.cases]
    one = pairs.one({"id": pairs.cases[3].id})
    assert [verdict["judge"] for verdict in one["verdicts"]] == ["first/judge", "second"]
    assert one["verdicts"][0]["reviews"][0]["raw"].startswith("(")
    with pytest.raises(ConfigError, match="no such pair"):
        pairs.one({"id": "nonsense"})
