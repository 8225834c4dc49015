"""What each selector promises, on score tables small enough to check by eye."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import ConfigError
from handpicked.selectors.balanced import Balanced, even_quotas
from handpicked.selectors.full import Full
from handpicked.selectors.length_matched import LengthMatched, length_bins
from handpicked.selectors.power_law import PowerLaw
from handpicked.selectors.random import Random
from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
from handpicked.selectors.selector import Scores
from handpicked.selectors.window import Window


def scores(**columns):
    count = len(next(iter(columns.values())))
    ids = [hashlib.blake2b(str(row).encode(), digest_size=16).hexdigest() for row in range(count)]
    return Scores.of(pa.table({"row": pa.array(range(count), pa.int64()), "id": ids, **columns}))


def test_longest_and_shortest_are_the_two_ends():
    table = scores(tokens=[5, 1, 9, 7, 3])
    assert Longest().select(table, 2).tolist() == [2, 3]
    assert Shortest().select(table, 2).tolist() == [1, 4]
    assert Top("tokens").select(table, 2).tolist() == [2, 3]
    assert Bottom("tokens").select(table, 2).tolist() == [1, 4]


def test_size_zero_keeps_nothing_and_size_all_keeps_all():
    table = scores(tokens=[5, 1, 9])
    for selector in (Longest(), Shortest(), Random(1), Window("tokens")):
        assert selector.select(table, 0).tolist() == []
        assert selector.select(table, 3).tolist() == [0, 1, 2]
    assert Full().select(table, 3).tolist() == [0, 1, 2]


def test_a_row_without_a_value_never_wins():
    table = scores(tokens=pa.array([None, 1, None, 2], pa.int64()))
    assert Longest().select(table, 4).tolist() == [1, 3]
    assert Shortest().select(table, 1).tolist() == [1]


def test_not_a_number_is_no_value():
    table = scores(loss=pa.array([float("nan"), 1.0, 2.0]))
    assert Top("loss").select(table, 3).tolist() == [1, 2]


def test_text_cannot_be_ranked():
    with pytest.raises(ConfigError, match=r"'category'.*no number"):
        Top("category").select(scores(category=["a", "b"]), 1)


def test_ties_go_by_id_then_row():
    ids = ["b" * 32, "a" * 32, "a" * 32]
    table = Scores.of(pa.table({"row": [0, 1, 2], "id": ids, "tokens": [4, 4, 4]}))
    assert Longest().select(table, 1).tolist() == [1]
    assert Longest().select(table, 2).tolist() == [1, 2]


def test_random_depends_on_the_seed_and_is_about_uniform():
    table = scores(tokens=list(range(1000)))
    one, other = Random(0).select(table, 300), Random(1).select(table, 300)
    assert len(one) == len(set(one.tolist())) == 300
    assert one.tolist() != other.tolist()
    # 300 of 1000 drawn: the expected overlap of two draws is 90, standard deviation 6.6.
    assert 60 < len(set(one.tolist()) & set(other.tolist())) < 120
    halves = sum(row < 500 for row in one)
    assert 115 < halves < 185


def test_window_keeps_between_its_quantiles():
    table = scores(tokens=list(range(100)))
    rows = Window("tokens", 0.25, 0.5).select(table, 100)
    assert rows.tolist() == list(range(24, 50))
    assert set(Window("tokens", 0.25, 0.5, seed=3).select(table, 5).tolist()) <= set(range(24, 50))
    with pytest.raises(ConfigError, match="quantiles"):
        Window("tokens", 0.9, 0.1)


def test_balanced_gives_each_group_its_share_and_passes_on_what_is_left():
    field = ["a"] * 10 + ["b"] * 2 + ["c"] * 10
    table = scores(field=field, tokens=list(range(22)))
    rows = Balanced("field", "tokens").select(table, 12).tolist()
    assert Counter(field[row] for row in rows) == {"a": 5, "b": 2, "c": 5}
    assert rows == [5, 6, 7, 8, 9, 10, 11, 17, 18, 19, 20, 21]
    assert Counter(field[row] for row in Balanced("field").select(table, 12).tolist()) == {
        "a": 5,
        "b": 2,
        "c": 5,
    }


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 200))
def test_even_quotas_fill_the_size_and_differ_by_one_where_groups_have_rows_left(available, size):
    quotas = even_quotas(available, size)
    assert quotas.sum() == min(size, sum(available))
    assert (quotas <= np.array(available)).all()
    unfilled = [int(quota) for quota, rows in zip(quotas, available, strict=True) if quota < rows]
    if unfilled:
        assert max(quotas) - min(unfilled) <= 1


def test_power_law_prefers_the_longest_of_each_group():
    field = ["a"] * 500 + ["b"] * 500
    table = scores(field=field, tokens=list(range(500)) * 2)
    rows = PowerLaw("field", seed=5).select(table, 20)
    assert Counter(field[row] for row in rows.tolist()) == {"a": 10, "b": 10}
    # The 10 drawn by weight 2**-rank are nearly always among the 20 longest of their group.
    assert all(row % 500 >= 470 for row in rows.tolist())
    assert rows.tolist() != PowerLaw("field", seed=6).select(table, 20).tolist()


def test_power_law_draws_by_its_weights():
    # Of one group of three, one row: rank 0 has weight 1, rank 1 1/2, rank 2 1/4, so 4/7, 2/7 and 1/7 of the
    # draws.
    table = scores(field=["a"] * 3, tokens=[1, 2, 3])
    drawn = Counter(int(PowerLaw("field", seed=seed).select(table, 1)[0]) for seed in range(2000))
    assert drawn[2] / 2000 == pytest.approx(4 / 7, abs=0.05)
    assert drawn[1] / 2000 == pytest.approx(2 / 7, abs=0.05)
    assert drawn[0] / 2000 == pytest.approx(1 / 7, abs=0.05)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2000), min_size=1, max_size=200), st.data())
def test_length_matched_has_the_histogram_of_a_subset_of_the_same_pool(lengths, data):
    subset = data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True))
    wanted = tuple(lengths[row] for row in subset)
    rows = LengthMatched(wanted, seed=1).select(scores(tokens=lengths), len(wanted))
    got = [lengths[row] for row in rows.tolist()]
    assert Counter(length_bins(got).tolist()) == Counter(length_bins(list(wanted)).tolist())


def test_length_matched_makes_up_from_the_nearest_bins():
    rows = LengthMatched((100, 100, 100)).select(scores(tokens=[100, 1, 112, 90, 3000]), 3)
    assert rows.tolist() == [0, 2, 3]


def test_length_matched_without_the_subset_itself_takes_others_as_near_as_there_are():
    table = scores(tokens=[500, 1, 400, 90, 490, 380])
    own = frozenset(hashlib.blake2b(str(row).encode(), digest_size=16).hexdigest() for row in (0, 4))
    assert LengthMatched((500, 490)).select(table, 2).tolist() == [0, 4]
    assert LengthMatched((500, 490), without=own).select(table, 2).tolist() == [2, 5]


def test_length_matched_is_a_length_bin_of_ten_percent():
    assert length_bins([0, 1, 100]).tolist()[0] == 0
    assert length_bins([100])[0] == length_bins([102])[0] != length_bins([111])[0]
