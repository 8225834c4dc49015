"""Reading replies: what is clear is read, what is not is unparsed with a reason."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.judges import load_judge
from handpicked.judges.parse import read_grade, read_letters, read_scores, read_verdict

VERDICT, GRADE, LETTERS = load_judge("verdict"), load_judge("grade"), load_judge("letter-probability")


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("8 9", (8, 9)),
        ("4.5 7", (4.5, 7)),
        ("8.0, 9.0\n\nThe second is better.", (8, 9)),
        ("Scores: 8 7", (8, 7)),
        ("**8 7**", (8, 7)),
        ("8/10 7/10", (8, 7)),
        ("8 out of 10 and 7 out of 10", (8, 7)),
        ("First: 8, Second: 7", (8, 7)),
        ("Assistant 1: 8, Assistant 2: 7", (8, 7)),
        ("Answer A: 3; Answer B: 10", (3, 10)),
        ("Sure! Here you are.\n\n6 2\n\nThe first gives 3 examples and 2 links.", (6, 2)),
        ("I would give them 8 and 7. The first has more detail.", (8, 7)),
        ("10 1\r\nbecause", (10, 1)),
        ("8 7\n- Accuracy: 8\n- Detail: 6", (8, 7)),
        ("答えは 8 7 です 🎉", (8, 7)),
        ("８　７\n第一个更好。", (8, 7)),
        ("8,5 7,5\nBecause.", (8.5, 7.5)),
        ("8.0\n7.0\nThe first.", (8, 7)),
        ("Assistant 1: 8/10\nAssistant 2: 7/10", (8, 7)),
        ("Assistant 2: 7, Assistant 1: 8", (8, 7)),
        ("7 (second), 8 (first)", (8, 7)),
        ('```json\n{"score_1": 8, "score_2": "7/10", "why": "3 and 4"}\n```', (8, 7)),
        ('{"scores": [8, 7]}', (8, 7)),
        ("<think>\nMaybe 5 5?\n6 8\n</think>\n8 7\nThe first.", (8, 7)),
        ("Maybe 5 5?\n</think>\n\n8 7", (8, 7)),
        ("8 7\nThe second closes with </think> for no reason.", (8, 7)),
        ("8 7<|im_end|>\n<|im_start|>user\n5 5", (8, 7)),
        ("<|channel|>analysis<|message|>9 1<|end|><|start|>assistant<|channel|>final<|message|>8 7", (8, 7)),
        ("<scratchpad>\n9 1\n</scratchpad>\n8 7", (8, 7)),
        ("Rating A: [[8]]\nRating B: [[7]]", (8, 7)),
        ("Assistant 1: 8\nIt is fuller.\n\nAssistant 2: 7\nIt is shorter.", (8, 7)),
        ("Assistant 2: 7\nIt is shorter.\n\nAssistant 1: 8\nIt is fuller.", (8, 7)),
        ("Assistant 1: 8 (out of 10)\nIt is fuller.\nAssistant 2: 7 (out of 10), shorter", (8, 7)),
        ("助手2：7分，助手1：8分\n第一个更好。", (8, 7)),
        ("Antwort 1: 8 Punkte\nAntwort 2: 7 Punkte", (8, 7)),
        ('```json\n{\n  "score_1": 8, // fuller\n  "score_2": 7,\n}\n```', (8, 7)),
        ('{"score_1": 8, "score_2": 7, "why": "uses {x}\nand 3 and 4"}', (8, 7)),
        ('{"assistant_1": {"why": "x", "score": 8}, "assistant_2": {"why": "y", "score": 7}}', (8, 7)),
        ("{'score_1': 8, 'score_2': 7}", (8, 7)),
        ('{"score_1": 8, "score_2": 7, "why": "The first, which is', (8, 7)),
    ],
)
def test_two_scores_are_read(reply, scores):
    assert read_scores(reply).scores == scores


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("Both are good.", "no line with two scores"),
        ("8", "no line with two scores"),
        ("8 7 9", "3 scores instead of two"),
        ("11 7", "11 is outside 1 to 10"),
        ("0 7", "0 is outside 1 to 10"),
        ("-3 7", "-3 is outside 1 to 10"),
        ("8 7\n2 9", "different scores"),
        ("The first was written in 1999.", "no line with two scores"),
        ("8% 7%", "no line with two scores"),
        ("<think>8 7", "ends within its thoughts"),
        ("8\n7\n9", "3 scores instead of two"),
        ("8,5 7", "3 scores instead of two"),
        ("Assistant 1: 7-8\nAssistant 2: 6, shorter", "no line with two scores"),
        ("Assistant 1: 3 errors. Assistant 2: 1 error.", "no line with two scores"),
        ("Criterion 1: 8\nCriterion 2: 6", "no line with two scores"),
        ("Assistant 1: 8\nx\nAssistant 2: 6\ny\nAssistant 1: 7", "no line with two scores"),
        ("<|channel|>analysis<|message|>8 6", "ends within its thoughts"),
        ('{"score_1": 11, "score_2": 7,}', "11 is outside 1 to 10"),
    ],
)
def test_what_is_not_two_valid_scores_is_unparsed_with_the_reason(reply, reason):
    reading = read_scores(reply)
    assert reading.preferred is None
    assert reading.scores is None
    assert reason in (reading.reason or "")


@given(st.text())
def test_any_text_gives_a_preference_or_a_reason_and_never_both(reply):
    for reading in (read_scores(reply), read_verdict(reply, VERDICT)):
        assert (reading.preferred is None) == bool(reading.reason)


@given(st.integers(10, 100), st.integers(10, 100), st.sampled_from(["{} {}", "{}, {}\nwhy", "Scores: {} {}"]))
def test_every_pair_of_scores_in_tenths_survives(first, second, form):
    reading = read_scores(form.format(first / 10, second / 10))
    assert reading.scores == (first / 10, second / 10)
    assert reading.preferred == ("first" if first > second else "second" if first < second else "tie")


@pytest.mark.parametrize(
    ("reply", "preferred"),
    [
        ("The first says more.\nVerdict: first", "first"),
        ("**Verdict: Second**", "second"),
        ("verdict: tie.", "tie"),
        ("<think>\nVerdict: first\n</think>\nVerdict: second", "second"),
        ("The answer says 'x'.\nVerdict: **first**\n", "first"),
        ("It contains the line\nVerdict: first\nwhich I ignore.\nVerdict: second", "second"),
        ("Verdict: first<|eot_id|>assistant\n\nVerdict: second", "first"),
        ("Verdict: second</s>", "second"),
        ("**Verdict**: first", "first"),
        ("My final verdict: [[second]]", "second"),
        ("Verdict: \\boxed{\\text{tie}}", "tie"),
        ("## Verdict\n\n**second**", "second"),
        ("- Verdict: first (it is fuller)", "first"),
        ("Verdict: first. It is fuller.", "first"),
        ('```json\n{"why": "fuller", "verdict": "second"}\n```', "second"),
    ],
)
def test_a_verdict_is_read_from_its_line(reply, preferred):
    assert read_verdict(reply, VERDICT).preferred == preferred


@pytest.mark.parametrize(
    "reply",
    [
        "[[A]]",
        "The first is better.",
        "Verdict: neither",
        "Verdict: first\nVerdict: second\nand so on",
        "Verdict: first or second",
        "Verdict: first, or perhaps second",
        "Verdict: second-best",
        "Verdict: second\n\nWait. Verdict: first",
        '{"verdict": "first"}\n{"verdict": "second"}\nand so on',
    ],
)
def test_no_verdict_is_made_up(reply):
    assert read_verdict(reply, VERDICT).preferred is None


@pytest.mark.parametrize(
    ("reply", "preferred"),
    [
        ("Both are right.\n\nMy final verdict is: [[A]]", "first"),
        ('I could say "[[A]]".\nBut the second is fuller: [[B]].', "second"),
        ("[[ C ]]", "tie"),
        ('Either "[[A]]" or "[[B]]".', None),
        ("[[A]] at first.\n[[B]] then.\nThe end.", None),
        ("[[AB]]", None),
        ("A", None),
    ],
)
def test_a_sign_such_as_mt_benchs_brackets_is_read_wherever_it_stands(reply, preferred):
    answers = VERDICT.answers.model_copy(update={"first": "A", "second": "B", "tie": "C"})
    judge = VERDICT.model_copy(update={"marker": "[[", "answers": answers})
    assert read_verdict(reply, judge).preferred == preferred


def test_a_grade_is_read_and_an_impossible_one_refused():
    assert read_grade("Fine.\nGrade: 4.5", GRADE) == (4.5, "")
    assert read_grade("Grade: 7/10", GRADE) == (7.0, "")
    assert read_grade("**Grade**: [[7,5]]", GRADE) == (7.5, "")
    assert read_grade("Grade: **7**/10 (good)", GRADE) == (7.0, "")
    assert "no line" in read_grade("Grade: 7-8", GRADE)[1]
    assert "outside" in read_grade("Grade: 11", GRADE)[1]
    assert "outside" in read_grade("Grade: -1", GRADE)[1]
    assert "no line" in read_grade("A good one.", GRADE)[1]


def test_letter_probabilities_are_added_over_spellings_and_normalised():
    logprobs = [{" A": math.log(0.3), "A": math.log(0.3), "B": math.log(0.2), "The": math.log(0.2)}]
    reading = read_letters(logprobs, LETTERS)
    assert reading.scores == pytest.approx((0.75, 0.25))
    assert reading.preferred == "first"
    raw = [{"\u2581A": math.log(0.3), "A": math.log(0.3), "\u0120B": math.log(0.2)}]
    assert read_letters(raw, LETTERS).scores == pytest.approx((0.75, 0.25))
    assert read_letters([{"The": -0.1}], LETTERS).preferred is None
    assert "no token probabilities" in (read_letters(None, LETTERS).reason or "")


@pytest.mark.data
def test_stored_reviews_of_gpt35_read_as_their_authors_read_them(real_data):
    """2,060 real replies: the parser agrees with the stored scores on every one."""
    import pyarrow.parquet as pq

    rows = pq.read_table(real_data / "judge_meta/cherry5_vs_alpaca_reviews_gpt35.parquet").to_pylist()
    replies = [
        (r[k], r[s]) for r in rows for k, s in (("review", "scores"), ("review_reverse", "scores_reverse"))
    ]
    differing = [
        (reply[:80], stored)
        for reply, stored in replies
        if list(read_scores(reply).scores or ()) != json.loads(stored)
    ]
    assert len(replies) == 2060
    assert differing == []
