"""Statistics of verdicts: known answers, invariances, and reference implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.records import Review, Verdict
from handpicked.results.panel import panel
from handpicked.statistics.agreement import agree
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.compare import compare, holm, sign_test
from handpicked.statistics.health import health
from handpicked.statistics.win_rate import (
    adjusted_win_rate,
    by_group,
    counts,
    share_won,
    winning_score,
)

OUTCOMES = st.sampled_from(["win", "tie", "lose", "unparsed"])
FIRST_AND_SECOND = {
    "win": ("first", "second"),
    "lose": ("second", "first"),
    "tie": ("tie", "tie"),
    "unparsed": (None, None),
}


def verdict(outcome, prompt="p", a="x", b="y", lengths=(10, 10), test_set="s", judge="j") -> Verdict:
    reviews = tuple(
        Review(order, preferred, f"{order}{prompt}", reason=None if preferred else "why")
        for order, preferred in zip(("ab", "ba"), FIRST_AND_SECOND[outcome], strict=True)
    )
    return Verdict(prompt, a, b, judge, reviews, outcome, outcome, test_set, None, *lengths)


def many(wins, ties, losses, unparsed=0, **fields):
    names = ["win"] * wins + ["tie"] * ties + ["lose"] * losses + ["unparsed"] * unparsed
    return [verdict(name, f"p{i}", **fields) for i, name in enumerate(names)]


def test_rates_of_a_hand_counted_set():
    verdicts = many(5, 3, 2, unparsed=4)
    assert counts(verdicts).n == 10
    assert share_won(verdicts).value == 0.5
    assert adjusted_win_rate(verdicts).value == 0.65
    assert winning_score(verdicts).value == pytest.approx((5 - 2) / 10 + 1)
    assert adjusted_win_rate(verdicts).missing == 4


@given(st.lists(OUTCOMES, max_size=30))
@settings(max_examples=60)
def test_seen_from_the_other_side_everything_is_mirrored(outcomes):
    other = {"win": "lose", "lose": "win"}
    mine = [verdict(o, f"p{i}") for i, o in enumerate(outcomes)]
    theirs = [verdict(other.get(o, o), f"p{i}") for i, o in enumerate(outcomes)]
    left, right = adjusted_win_rate(mine), adjusted_win_rate(theirs)
    assert left.n + left.missing == len(outcomes)
    if left.value is None:
        assert left.n == 0
        assert right.value is None
    else:
        assert left.value == pytest.approx(1 - right.value)
        assert left.low <= left.value <= left.high


def test_verdicts_by_group():
    verdicts = many(8, 0, 2, test_set="small") + [verdict("lose", f"q{i}", test_set="big") for i in range(90)]
    groups = by_group(verdicts, "test_set")
    assert {name: len(group) for name, group in groups.items()} == {"small": 10, "big": 90}
    assert adjusted_win_rate(verdicts).value == pytest.approx(0.08)
    assert list(by_group(verdicts, "category")) == ["(none)"]


def test_the_sign_test_is_the_exact_binomial():
    """R: binom.test(8, 10)$p.value = 0.109375; 15 of 20: 0.04138947."""
    assert sign_test(8, 2) == pytest.approx(0.109375)
    assert sign_test(5, 15) == pytest.approx(0.04138947, abs=1e-8)
    assert sign_test(0, 0) is None
    assert sign_test(3, 3) == 1.0
    exact, normal = sign_test(2600, 2400), sign_test(2601, 2400)
    assert normal == pytest.approx(exact, rel=0.05)  # the normal form takes over smoothly


def test_holm_steps_down():
    """R: p.adjust(c(0.01, 0.04, 0.03), "holm") = 0.03 0.06 0.06."""
    found = holm({("x", "a"): 0.01, ("x", "b"): 0.04, ("x", "c"): 0.03})
    assert list(found.values()) == pytest.approx([0.03, 0.06, 0.06])


def test_more_comparisons_ask_for_more_evidence_and_a_repeated_prompt_counts_once():
    one = many(15, 0, 5, b="first")
    alone = compare(one)[0]
    assert alone.wins > alone.losses and alone.adjusted < 0.05
    others = [v for i in range(4) for v in many(10, 0, 10, b=f"other {i}")]
    assert compare(one + others)[0].adjusted > 0.05
    assert compare(one * 3)[0].p_value == alone.p_value
    assert compare(many(0, 5, 0))[0].p_value is None


def test_strengths_give_back_the_model_that_made_the_verdicts():
    rng = np.random.default_rng(0)
    truth = {"best": 1.0, "middle": 0.0, "worst": -1.0}
    verdicts = []
    for a, b in (("best", "middle"), ("middle", "worst"), ("best", "worst")):
        p = 1 / (1 + math.exp(truth[b] - truth[a]))
        verdicts += [verdict("win" if rng.random() < p else "lose", f"p{i}", a, b) for i in range(1500)]
    found = bradley_terry(verdicts)
    assert list(found) == ["best", "middle", "worst"]
    for arm, strength in truth.items():
        assert found[arm].low < found[arm].value < found[arm].high
        assert found[arm].value == pytest.approx(strength, abs=0.12)
    assert sum(e.value for e in found.values()) == pytest.approx(0, abs=1e-9)


def test_an_unbeaten_arm_has_a_finite_strength_and_strangers_are_not_ranked():
    found = bradley_terry(many(20, 0, 0) + many(10, 0, 10, a="y", b="z"))
    assert all(math.isfinite(e.high) for e in found.values())
    apart = bradley_terry(many(5, 0, 5) + many(5, 0, 5, a="u", b="v"))
    assert all(e.value is None for e in apart.values())


def test_kappa_of_a_textbook_table():
    """Cohen's kappa of [[20, 5], [10, 15]] is 0.4."""
    pairs = [("win", "win")] * 20 + [("win", "lose")] * 5 + [("lose", "win")] * 10 + [("lose", "lose")] * 15
    one = {str(i): a for i, (a, _) in enumerate(pairs)}
    other = {str(i): b for i, (_, b) in enumerate(pairs)}
    found = agree(one, {**other, "extra": "win"})
    assert found.kappa.value == pytest.approx(0.4)
    assert found.agreement.value == pytest.approx(0.7)
    assert found.kappa.low < 0.4 < found.kappa.high
    assert (found.kappa.n, found.kappa.missing) == (50, 1)


def test_kappa_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels = ["win", "tie", "lose"]
    one = [labels[i] for i in rng.integers(0, 3, 200)]
    other = [a if rng.random() < 0.6 else labels[rng.integers(0, 3)] for a in one]
    found = agree(dict(enumerate(one)), dict(enumerate(other)))
    assert found.kappa.value == pytest.approx(metrics.cohen_kappa_score(one, other))


def test_kappa_of_one_label_only_has_no_value():
    same = {str(i): "win" for i in range(5)}
    found = agree(same, same)
    assert found.agreement.value == 1
    assert found.kappa.value is None
    assert agree({}, {}).kappa.value is None


def test_a_panel_is_the_majority():
    def vote(*outcomes):
        return panel([verdict(o, judge=f"j{i}") for i, o in enumerate(outcomes)])[0].strict

    assert vote("win", "win", "lose") == "win"
    assert vote("win", "lose") == "tie"
    assert vote("tie", "tie", "win") == "tie"
    assert vote("win", "unparsed", "unparsed") == "win"
    assert vote("unparsed") == "unparsed"


def test_health_of_no_verdicts_is_not_good():
    found = health([])
    assert not found.healthy
    assert found.first_position.value is None


def test_health_counts_what_could_not_be_read_with_samples():
    found = health(many(20, 0, 20, unparsed=10))
    assert found.unparsed.value == pytest.approx(0.2)
    assert found.unparsed_reasons == {"why": 20}
    assert len(found.unparsed_samples) == 5
    assert any("20% of its replies could not be read" in reason for reason in found.reasons)
    assert health(many(30, 0, 30, unparsed=1)).healthy
