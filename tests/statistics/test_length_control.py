"""The win rate at equal length and style: known truths, answers that loop, and when it cannot be estimated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.records import Estimate, NotEstimable, Pair, Verdict
from handpicked.results.controlled import controlled_rate
from handpicked.statistics.equal_length import length_rows
from handpicked.statistics.health import prefers_longer
from handpicked.statistics.length_control import (
    by_length,
    length_controlled,
    style_controlled,
)
from handpicked.statistics.length_forms import CHOSEN, FORMS
from handpicked.statistics.logistic import fit, influences, rate_at_zero, separated
from handpicked.statistics.styles import style_counts
from handpicked.statistics.win_rate import adjusted_win_rate

LOOP = 6000


def verdict(outcome, prompt, lengths) -> Verdict:
    return Verdict(prompt, "x", "y", "j", (), outcome, outcome, "s", None, *map(int, lengths))


def drawn(n=600, rate=0.5, love=1.5, shift=0.3, loops=0.0, seed=0) -> list[Verdict]:
    """A judge that prefers ``x`` at equal length in ``rate`` of the cases and loves length
    by its bounded log ratio.

    ``x`` is longer by ``shift`` in the log; of ``loops`` of its answers so long that they must have looped.
    """
    rng = np.random.default_rng(seed)
    both = rng.normal(6.2, 0.8, n)
    a, b = np.exp(both + rng.normal(shift, 0.4, n)), np.exp(both + rng.normal(0, 0.4, n))
    a[rng.random(n) < loops] = LOOP
    odds = math.log(rate / (1 - rate)) + love * np.tanh(2 * np.log(a / b))
    won = rng.random(n) < 1 / (1 + np.exp(-odds))
    return [
        verdict("win" if w else "lose", f"p{i}", pair)
        for i, (w, *pair) in enumerate(zip(won, a, b, strict=True))
    ]


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.65])
@pytest.mark.parametrize("loops", [0, 0.08])
def test_the_known_rate_at_equal_length_is_found(rate, loops):
    verdicts = drawn(1500, rate, loops=loops)
    assert adjusted_win_rate(verdicts).value > rate + 0.05
    found = length_controlled(verdicts)
    assert found.win_rate.low < rate < found.win_rate.high
    assert found.win_rate.value == pytest.approx(rate, abs=0.04)
    assert found.effects["length"].low > 0.5
    assert min(found.forms.values()) <= found.win_rate.value <= max(found.forms.values())
    assert found.forms[CHOSEN] == pytest.approx(found.win_rate.value, abs=1e-9)


def test_answers_that_loop_do_not_move_the_rate():
    """The longest twentieth of the answers, all longer than their rivals, grow tenfold: the verdicts stay."""
    verdicts = drawn(1000, 0.45)
    longest = sorted(range(1000), key=lambda i: verdicts[i].length_b / verdicts[i].length_a)[:50]
    looped = [
        verdict(v.strict, v.prompt_id, (v.length_a * (10 if i in set(longest) else 1), v.length_b))
        for i, v in enumerate(verdicts)
    ]
    before, after = length_controlled(verdicts).win_rate.value, length_controlled(looped).win_rate.value
    assert abs(after - before) < 0.003


@pytest.mark.parametrize("loops", [0, 0.05, 0.1])
def test_a_judge_of_length_alone_rarely_wins_at_equal_length(loops):
    """In 1,000 runs 3.7 to 4.6% (2.5% would be right); a difference over its root mean
    square gave 16, 26 and 33%.
    """
    runs = 200
    wins = 0
    for seed in range(1000, 1000 + runs):
        rate = length_controlled(drawn(200, 0.5, shift=0.4, loops=loops, seed=seed)).win_rate
        wins += isinstance(rate, Estimate) and rate.low > 0.5
    assert wins / runs <= 0.08  # at a true 4.6%, more has a probability of about 1%


def test_control_takes_a_judges_love_of_length_out():
    verdicts = drawn(2000)
    assert adjusted_win_rate(verdicts).value > 0.6
    where = by_length(verdicts)
    assert where["longer"].value > 0.6 > 0.4 > where["shorter"].value
    assert prefers_longer(verdicts).value > 0.6
    near = length_controlled(verdicts).near
    assert near.share == pytest.approx(near.pairs / 2000) and near.win_rate.low < 0.5 < near.win_rate.high


def test_nearly_equal_is_within_a_fifth_of_the_longer():
    lengths = [(100, 80), (100, 79), (80, 100), (79, 100), (100, 100), (0, 5)]
    assert (
        length_controlled([verdict("win", f"p{i}", pair) for i, pair in enumerate(lengths)]).near.pairs == 3
    )


NOT_ESTIMABLE = {
    "no verdicts": ([], "no verdict has a value"),
    "no lengths": ([verdict("win", f"p{i}", (0, 0)) for i in range(20)], "no verdict has a value"),
    "one prompt": ([verdict(o, "p", (100, 99)) for o in ("win", "lose") * 20], "1 prompt cannot show"),
    "all ties": ([verdict("tie", f"p{i}", (100 + i, 110)) for i in range(40)], "every verdict is a tie"),
    "all wins": ([verdict("win", f"p{i}", (100 + i, 110)) for i in range(40)], "every verdict is a win"),
    "always longer": (
        [verdict(("win", "lose")[i % 3 == 0], f"p{i}", (200 + i, 199)) for i in range(200)],
        "the first model's answer is longer in 100% of 200 pairs",
    ),
    "nearly always shorter": (
        [verdict(("win", "lose")[i % 3 == 0], f"p{i}", (100, 300 if i > 3 else 50)) for i in range(100)],
        "the second model's answer is longer in 96% of 100 pairs",
    ),
    "no overlap": (
        [verdict(("win", "lose")[i % 3 == 0], f"p{i}", (300 + i, 100)) for i in range(50)],
        "the first model's answer is longer in 100% of 50 pairs",
    ),
    "none near": (
        [verdict(("win", "lose")[i % 3 == 0], f"p{i}", (100, 300)[:: (-1) ** i]) for i in range(60)],
        "only 0 of 60 pairs (0%) are within 20% of equal length",
    ),
    "few near": (
        [
            verdict(("win", "lose")[i % 3 == 0], f"p{i}", (100, 100) if i < 4 else (100, 300)[:: (-1) ** i])
            for i in range(30)
        ],
        "only 4 of 30 pairs (13%)",
    ),
    "length decides": (
        [verdict("win" if i > 30 else "lose", f"p{i}", (70 + i, 100)) for i in range(60)],
        "the difference in length can explain every verdict",
    ),
}


@pytest.mark.parametrize(("verdicts", "why"), NOT_ESTIMABLE.values(), ids=NOT_ESTIMABLE)
def test_where_it_cannot_be_estimated_there_is_a_reason_and_no_value(verdicts, why):
    found = length_controlled(verdicts)
    assert isinstance(found.win_rate, NotEstimable)
    assert why in found.win_rate.reason
    assert not found.effects and not found.forms and not found.both_sides
    result = controlled_rate(found)
    assert (result.value, result.low, result.high, result.range) == (None, None, None, None)
    assert result.reason and why in result.reason
    assert found.win_rate.n + found.win_rate.missing == len(verdicts)


def test_one_side_that_is_always_longer_by_a_hair_is_no_hindrance():
    found = length_controlled(
        [verdict(("win", "lose")[i % 3 == 0], f"p{i}", (102 + i // 3 % 9, 100)) for i in range(99)]
    )
    assert found.win_rate.value == pytest.approx(2 / 3, abs=0.05)


def test_lengths_that_never_differ_leave_the_plain_rate():
    found = length_controlled([verdict(("win", "lose")[i % 4 == 0], f"p{i}", (50, 50)) for i in range(100)])
    assert found.win_rate.value == pytest.approx(0.75, abs=0.001)
    assert found.effects == {} and found.near.share == 1


def test_forms_on_both_sides_of_a_half_are_reported():
    """Rates near a half, and long answers that lose: the forms disagree on the side."""
    seeds = (
        length_controlled(drawn(300, 0.5, love=2.5, shift=0.5, loops=0.1, seed=seed)) for seed in range(40)
    )
    found = next(one for one in seeds if one.both_sides)
    low, high = min(found.forms.values()), max(found.forms.values())
    assert low < 0.5 < high
    result = controlled_rate(found)
    assert result.both_sides and result.value is not None and result.range == (low, high) and result.reason
    assert "length cannot be separated from the answer" in result.reason
    assert f"{low:.1%} to {high:.1%}" in result.reason


LENGTHS = st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000)).filter(any), min_size=2, max_size=40)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@settings(max_examples=50)
@given(LENGTHS)
def test_a_form_is_bounded_zero_at_equal_length_and_turns_with_the_sides(form, lengths):
    a, b = np.array(lengths, dtype=float).T
    term = form(a, b)
    assert np.abs(term).max() <= 1
    assert np.array_equal(np.sign(np.round(term, 12)), np.sign(np.round(term, 12)) * (a != b))
    assert ((term > 0) <= (a > b)).all() and ((term < 0) <= (a < b)).all()
    assert form(b, a) == pytest.approx(-term)


def test_the_rate_turns_with_the_sides():
    turn = {"win": "lose", "lose": "win"}
    verdicts = drawn(300, 0.6)
    turned = [verdict(turn[v.strict], v.prompt_id, (v.length_b, v.length_a)) for v in verdicts]
    one, other = length_controlled(verdicts), length_controlled(turned)
    assert one.win_rate.value == pytest.approx(1 - other.win_rate.value)
    for name in FORMS:
        assert one.forms[name] == pytest.approx(1 - other.forms[name])


def test_control_agrees_with_scikit_learn():
    sklearn = pytest.importorskip("sklearn.linear_model")
    verdicts = drawn(400, 0.55)
    a, b = np.array([(v.length_a, v.length_b) for v in verdicts], dtype=float).T
    c = np.median(np.concatenate([a, b])) / 3
    x = np.tanh(1.5 * np.log((a + c) / (b + c)))[:, None]
    x /= np.sqrt((x**2).mean())
    reference = sklearn.LogisticRegression(C=1e6, tol=1e-10).fit(x, [v.strict == "win" for v in verdicts])
    found = length_controlled(verdicts)
    assert found.win_rate.value == pytest.approx(1 / (1 + math.exp(-reference.intercept_[0])), abs=2e-3)
    assert found.effects["length"].value == pytest.approx(reference.coef_[0, 0], rel=0.01)


def test_weights_are_rows_that_are_repeated():
    rows = length_rows(drawn(60, 0.6))
    weights = np.random.default_rng(0).integers(0, 3, (5, 60))
    found = rate_at_zero(rows.terms, rows.outcomes, weights.astype(float))
    for rate, counts in zip(found, weights, strict=True):
        assert rate == pytest.approx(
            rate_at_zero(np.repeat(rows.terms, counts, axis=0), np.repeat(rows.outcomes, counts))[0], abs=1e-7
        )
    assert np.isnan(rate_at_zero(rows.terms, rows.outcomes, np.zeros((1, 60)))).all()


def test_influences_sum_to_the_ridge_and_make_the_sandwich():
    rows = length_rows(drawn(100, 0.6))
    design = np.column_stack([np.ones(100), rows.terms])
    beta, parts = influences(design, rows.outcomes)
    p = 1 / (1 + np.exp(-design @ beta))
    inverse = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design + 0.04 * np.eye(2))
    assert parts.sum(axis=0) == pytest.approx(inverse @ (0.04 * beta))
    _, variances = fit(design, rows.outcomes, rows.prompts)
    squares = np.diag(parts.T @ parts) * 100 / (100 - 2)
    assert [variance.over_prompts for variance in variances] == pytest.approx(squares, rel=1e-3)


def test_separation_is_seen_and_a_strong_effect_is_not_taken_for_it():
    x = np.column_stack([np.ones(40), np.linspace(-1, 1, 40)])
    assert separated(x, (x[:, 1] > 0).astype(float))
    assert separated(x, (x[:, 1] > 0.9).astype(float))
    mixed = (x[:, 1] > 0).astype(float)
    mixed[[19, 20]] = 1, 0
    assert not separated(x, mixed)


def styled(n=800, listed=0.7, seed=0):
    """A judge that prefers lists; ``x`` uses them in ``listed`` of its answers, ``y`` in a tenth."""
    rng = np.random.default_rng(seed)
    verdicts, pairs = [], []
    for i in range(n):
        has = rng.random(2) < (listed, 0.1)
        answers = [
            ("- one\n- two\n- three" if h else "one two three here") + "." * int(rng.integers(0, 20))
            for h in has
        ]
        won = rng.random() < 0.5 + 0.3 * (int(has[0]) - int(has[1]))
        verdicts.append(verdict("win" if won else "lose", f"p{i}", map(len, answers)))
        pairs.append(Pair(f"p{i}", "q", "x", "y", *answers))
    return verdicts, pairs


def test_a_judge_that_loves_lists_is_seen_through():
    verdicts, pairs = styled()
    assert adjusted_win_rate(verdicts).low > 0.6
    found = style_controlled(verdicts, pairs)
    assert found.win_rate.low < 0.5 < found.win_rate.high
    assert found.effects["list items"].low > 0
    assert set(found.effects) == {"length", "list items"}, "terms that never differ are left out"
    nothing = style_controlled(verdicts, [])
    assert nothing.win_rate.missing == 800 and "no verdict" in nothing.reason


def test_a_constant_difference_cannot_be_estimated_from_the_answer():
    found = length_controlled([verdict(("win", "lose")[i % 3 == 0], f"p{i}", (105, 100)) for i in range(99)])
    assert (
        found.reason
        == "the difference in length cannot be separated from the answers: constant, or always together"
    )


def test_a_style_that_one_side_always_has_cannot_be_distinguished():
    verdicts, pairs = styled(200, listed=1.0)
    pairs = [
        Pair(p.prompt_id, "q", "x", "y", p.answer_a, p.answer_b.replace("- ", "+ ").replace("+ ", ""))
        for p in pairs
    ]
    found = style_controlled(verdicts, pairs)
    assert found.reason == "the first model's answer has more list items in 100% of 200 pairs"


def test_styles_that_always_differ_together_cannot_be_distinguished():
    verdicts, pairs = styled(300)
    pairs = [
        Pair(
            p.prompt_id,
            "q",
            "x",
            "y",
            *(text.replace("- one", "- **one**") for text in (p.answer_a, p.answer_b)),
        )
        for p in pairs
    ]
    both = [
        Pair(
            p.prompt_id,
            "q",
            "x",
            "y",
            *(text.replace("- two\n- three", "- **two**\n- **three**") for text in (p.answer_a, p.answer_b)),
        )
        for p in pairs
    ]
    found = style_controlled(verdicts, both)
    assert found.reason is not None and "constant, or always together" in found.reason


def test_a_style_that_decides_every_verdict_leaves_nothing_to_tell():
    verdicts, pairs = styled(200, listed=0.5)
    decided = [
        verdict("win" if "- " in p.answer_a else "lose", v.prompt_id, (v.length_a, v.length_b))
        for v, p in zip(verdicts, pairs, strict=True)
    ]
    lone = [Pair(p.prompt_id, "q", "x", "y", p.answer_a, p.answer_b.replace("- ", "")) for p in pairs]
    found = style_controlled(decided, lone)
    assert found.reason is not None and "can explain every verdict" in found.reason


def test_style_terms_are_counted():
    text = "# Title\n\n- one\n* two\n1. three\n\n**bold** and **more**\n\n```python\nx\n```\n"
    assert style_counts(text) == {"headings": 1, "list items": 3, "bold": 2, "code blocks": 1}
