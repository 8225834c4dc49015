"""Counting of verbs, overlap of subsets, differences from the pool, rank correlations:
hand-computed and against scipy.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.records import Verdict
from handpicked.statistics.difference import spearman, standardised
from handpicked.statistics.overlap import Overlap, overlaps, shares
from handpicked.statistics.verb_noun import NONE, OTHERS, NounCount, by_type, types_of, verb_table

parsed = st.lists(
    st.sampled_from(
        [
            ("write", "story", None),
            ("write", "poem", None),
            ("write", None, None),
            ("sort", "list", None),
            (None, None, "empty"),
        ]
    )
)


def test_a_table_counted_by_hand():
    found = verb_table(
        [("write", "story", None)] * 3
        + [("write", "poem", None)] * 3
        + [("write", None, None), ("sort", "list", None), (None, None, "no verb"), (None, None, "empty")]
    )
    assert found.n == 10 and found.none == {"empty": 1, "no verb": 1} and found.others == 0
    write, sort = found.verbs
    assert (write.verb, write.n, write.share.value) == ("write", 7, 0.7)
    assert write.nouns == (NounCount("poem", 3), NounCount("story", 3))
    assert (sort.verb, sort.n) == ("sort", 1)


@settings(deadline=None)
@given(parsed, st.randoms())
def test_every_instruction_is_counted_once_in_any_order(rows, rng):
    found = verb_table(rows)
    assert sum(one.n for one in found.verbs) + found.others + sum(found.none.values()) == len(rows)
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert verb_table(shuffled) == found


def test_only_the_20_most_common_verbs_are_shown():
    rows = [(f"verb{n:02d}", f"noun{m:02d}", None) for n in range(30) for m in range(n + 1)]
    found = verb_table(rows)
    assert [one.verb for one in found.verbs] == [f"verb{n:02d}" for n in range(29, 9, -1)]
    assert found.others == sum(range(1, 11))
    assert [one.noun for one in found.verbs[0].nouns] == ["noun00", "noun01", "noun02", "noun03"]


def verdict(prompt, strict, rival="base"):
    return Verdict(prompt, "longest", rival, "judge", (), strict, strict)


def test_win_rates_by_type_are_those_of_the_prompts_of_that_type():
    verbs = {f"w{n}": "write" for n in range(6)} | {f"s{n}": "sort" for n in range(2)} | {"x": None}
    assert set(types_of(verbs).values()) == {"write", OTHERS, NONE}
    verdicts = [verdict(p, "win" if p.startswith("w") else "lose") for p in verbs]
    losses = {"longest": [dict.fromkeys(verbs, 2.0)], "base": [dict.fromkeys(verbs, 2.5)]}
    rows = by_type(verbs, verdicts, "longest", losses, "base")
    assert [(row.type, row.prompts) for row in rows] == [("write", 6), (OTHERS, 2), (NONE, 1)]
    assert [row.win_rates["base"].value for row in rows] == [1.0, 0.0, 0.0]
    assert [row.win_rates["base"].n for row in rows] == [6, 2, 1]
    assert rows[0].loss.value == pytest.approx(-0.5) and rows[0].loss.n == 6
    unparsed = by_type(verbs, [replace(v, strict="unparsed") for v in verdicts], "longest", {}, None)
    assert unparsed[0].win_rates["base"].value is None and unparsed[0].loss is None


def test_overlap_by_hand():
    one, two, empty = np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6, 7, 8]), np.array([], dtype=int)
    (found, *rest) = overlaps({"one": one, "two": two, "empty": empty}, pool=12)
    assert found == Overlap("one", "two", both=2, n=4, jaccard=2 / 8, overlap=0.5, by_chance=0.5)
    assert [item.overlap for item in rest] == [None, None]


def test_random_subsets_overlap_as_chance_has_it():
    rng = random.Random(0)
    one, two = (np.array(sorted(rng.sample(range(20_000), 4000))) for _ in range(2))
    found = overlaps({"one": one, "two": two}, pool=20_000)[0]
    assert found.overlap == pytest.approx(found.by_chance, abs=0.02)


def test_shares_of_sources():
    found = shares({"pool": ["a", "a", "b", None], "arm": ["b", "b"]})
    assert [(row.value, {name: one.value for name, one in row.shares.items()}) for row in found] == [
        ("a", {"pool": 0.5, "arm": 0.0}),
        ("b", {"pool": 0.25, "arm": 1.0}),
    ]


def test_a_standardised_difference_by_hand():
    found = standardised([3.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, None])
    assert found.value == pytest.approx((4 - 3) / np.std([1, 2, 3, 4, 5], ddof=1))
    assert found.n == 2 and found.missing == 0
    half = 1.96 * np.sqrt(7 / 10 + found.value**2 / 10)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-3)
    assert standardised([1.0], [1.0, 2.0]).value is None
    assert standardised([1.0, 1.0], [1.0, 1.0]).value is None


def test_intervals_of_differences_hold_the_truth():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        found = standardised(rng.normal(0.5, 1, 80).tolist(), rng.normal(0, 1, 400).tolist())
        held += found.low <= 0.5 <= found.high
    assert 0.92 <= held / 400 <= 0.98


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30))
def test_spearman_is_scipys(pairs):
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the embed extra")
    a, b = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = spearman([*a, None], [*b, 1.0])
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert found.value is None and found.n == 0
    else:
        assert found.missing == 1
        assert found.value == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
        assert found.low <= found.value <= found.high
