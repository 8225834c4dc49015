"""Which pairs people see, and on which side: seeded, in proportion to the strata,
whatever the order they come in.
"""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.records import Pair, Verdict
from handpicked.votes import Case, sample
from handpicked.votes.case import shown_first
from handpicked.votes.sample import stratum


def case(i, test_set="koala", outcome="win", a="a long answer to it", b="short"):
    pair = Pair(f"{i:032x}", f"prompt {i}", "longest", "random", a, b, test_set)
    return Case(pair, (Verdict(pair.prompt_id, pair.a, pair.b, "judge", (), outcome, outcome, test_set),))


KINDS = st.tuples(
    st.sampled_from(["koala", "vicuna"]),
    st.sampled_from(["win", "tie", "lose"]),
    st.sampled_from(["short", "a long answer to i"]),
)


def made(kinds):
    return [case(i, test_set, outcome, b=b) for i, (test_set, outcome, b) in enumerate(kinds)]


@settings(deadline=None, max_examples=60)
@given(st.lists(KINDS, min_size=1, max_size=80), st.integers(1, 90), st.integers(0, 5))
def test_every_stratum_has_its_share_to_within_strata(kinds, size, seed):
    cases = made(kinds)
    chosen = sample(cases, size, seed)
    assert len(chosen) == len({c.id for c in chosen}) == min(size, len(cases))
    whole, part = Counter(map(stratum, cases)), Counter(map(stratum, chosen))
    for name, m in whole.items():
        share = m * len(chosen) / len(cases)
        assert abs(part[name] - share) < 1 + m / len(cases) * len(whole)


@settings(deadline=None, max_examples=30)
@given(st.lists(KINDS, min_size=2, max_size=40), st.integers(0, 5), st.randoms())
def test_order_does_not_matter_and_a_small_sample_begins_a_large_one(kinds, seed, rng):
    cases = made(kinds)
    shuffled = list(cases)
    rng.shuffle(shuffled)
    whole = sample(cases, len(cases), seed)
    assert sample(shuffled, len(cases), seed) == whole
    assert sample(shuffled, len(cases) // 2, seed) == whole[: len(cases) // 2]


def test_a_sample_of_50_of_a_large_run_holds_every_large_stratum():
    rng = random.Random(0)
    cases = made(
        rng.choices(
            [("koala", "win", "short"), ("koala", "lose", "short"), ("vicuna", "tie", "short")],
            [6, 3, 1],
            k=1000,
        )
    )
    found = Counter((c.pair.test_set, c.verdicts[0].strict) for c in sample(cases, 50, 0))
    assert found.keys() == {("koala", "win"), ("koala", "lose"), ("vicuna", "tie")}
    assert 28 <= found["koala", "win"] <= 32
    assert {c.id for c in sample(cases, 50, 0)} != {c.id for c in sample(cases, 50, 1)}


def test_sides_are_a_fair_coin_for_each_pair_and_annotator():
    cases = made([("koala", "win", "short")] * 400)
    ann, bob = ([shown_first(c, who, 0) for c in cases] for who in ("ann", "bob"))
    assert ann == [shown_first(c, "ann", 0) for c in cases]
    for sides in (ann, bob, [x for x, y in zip(ann, bob, strict=True) if x == y]):
        assert 0.4 < sides.count("a") / len(sides) < 0.6
    assert 0.4 < sum(x == y for x, y in zip(ann, bob, strict=True)) / 400 < 0.6


def test_the_longer_answer_is_longer_by_more_than_a_fifth():
    assert case(0, a="x" * 100, b="x" * 79).longer == "a"
    assert case(0, a="x" * 79, b="x" * 100).longer == "b"
    assert case(0, a="x" * 100, b="x" * 80).longer is None
    assert case(0, a="", b="").longer is None


def test_a_case_is_known_by_its_texts():
    assert case(0).id == case(0).id
    assert (
        len({case(0).id, case(0, a="other").id, case(1).id, case(0, a="short", b="a long answer to it").id})
        == 4
    )
