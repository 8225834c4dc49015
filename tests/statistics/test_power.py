"""Power: against sums by hand, and where no number can be given."""

from __future__ import annotations

import pytest

from handpicked.records import Verdict
from handpicked.statistics.compare import compare, sign_test
from handpicked.statistics.power import power, sign_test_power


def many(wins, ties, losses, seeds=1):
    names = ["win"] * wins + ["tie"] * ties + ["lose"] * losses
    return [
        Verdict(f"p{i}", f"x{seed}", "y", "j", (), name, name, "s", None, 10, 10)
        for seed in range(seeds)
        for i, name in enumerate(names)
    ]


def test_power_of_the_sign_test_is_that_of_the_textbook():
    """R: 1 - pbinom(32, 50, 0.7) = 0.7822, as 33 of 50 is the least with
    binom.test(33, 50)$p.value < 0.05.
    """
    assert sign_test(33, 17) < 0.05 < sign_test(32, 18)
    assert sign_test_power(50, 0.0, 0.7, 0.05) == pytest.approx(0.7822, abs=1e-4)
    assert sign_test_power(19, 0.0, 1.0, 0.05) == 0  # fewer than 20 pairs decide nothing


def test_beyond_the_exact_sums_the_normal_form_takes_over_smoothly():
    for ties in (0.0, 0.3):
        exact, normal = (sign_test_power(n, ties, 0.53, 0.05) for n in (2000, 2001))
        assert normal == pytest.approx(exact, abs=0.015)


def test_needed_and_detectable_are_where_power_reaches_four_of_five():
    found = power(many(30, 0, 20))
    assert (
        sign_test_power(found.needed, 0.0, 0.6, 0.05)
        >= 0.8
        > sign_test_power(found.needed - 1, 0.0, 0.6, 0.05)
    )
    assert found.more == found.needed - 50
    assert sign_test_power(50, 0.0, 0.5 + found.detectable, 0.05) == pytest.approx(0.8, abs=0.001)


def test_ties_make_small_leads_detectable_and_corrections_make_them_less_so():
    plain, tied = power(many(30, 0, 20)), power(many(30, 50, 20))
    assert tied.detectable < plain.detectable
    corrected = power(many(30, 0, 20), comparisons=4)
    assert corrected.detectable > plain.detectable and corrected.needed > plain.needed


def test_what_is_decided_needs_no_more():
    verdicts = many(40, 0, 10)
    assert power(verdicts, comparisons=1, corrected=compare(verdicts)[0].adjusted).more == 0
    assert power(many(50, 0, 0)).more == 0


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([], "fewer than two prompts have a verdict"),
        (many(1, 0, 0), "fewer than two prompts have a verdict"),
        (many(0, 30, 0), "every pair is a tie"),
        (many(10, 0, 10), "the observed rate is exactly even, which no number of prompts can decide"),
        (many(2, 40, 1), "too few pairs are decided to prove anything"),
    ],
)
def test_where_there_is_no_number_there_is_a_reason(verdicts, reason):
    found = power(verdicts)
    assert None in (found.needed, found.detectable)
    assert found.reason == reason


def test_seeds_that_differ_limit_what_prompts_can_settle():
    one = [v for v in many(140, 0, 60) if v.a == "x0"]
    other = [
        Verdict(v.prompt_id, "x1", "y", "j", (), o, o, "s", None, 10, 10)
        for v in one
        for o in [["lose", "win"][int(v.prompt_id[1:]) < 90]]
    ]
    found = power(one + other)
    assert found.needed is None and "train more of them" in found.reason
    alike = power(many(140, 0, 60, seeds=3))
    assert alike.needed is not None and alike.needed <= 100


def test_what_all_seeds_win_on_every_prompt_is_decided():
    verdicts = many(30, 0, 0, seeds=3)
    (found,) = compare(verdicts, arm_of={"x0": "x", "x1": "x", "x2": "x", "y": "y"})
    assert found.p_value == pytest.approx(2**-29) and found.wins > found.losses
    assert power(verdicts, corrected=found.adjusted).more == 0
