"""Multiple-choice rows: the options are in the prompt, and the response is the right one."""

import json

import pytest

from handpicked.data import read


def pool_of(tmp_path, *rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read(path)


ASKED = "Largest planet?\n\nA. Mars\nB. Jupiter\nC. Venus"


@pytest.mark.parametrize(
    "row",
    [
        {"choices": ["Mars", "Jupiter", "Venus"], "answer": 1},
        {"choices": ["Mars", "Jupiter", "Venus"], "answer": "1"},
        {"choices": ["Mars", "Jupiter", "Venus"], "answer": 1.0},
        {"options": ["Mars", "Jupiter", "Venus"], "answer": "(B)"},
        {"options": ["A)Mars", "B)Jupiter", "C)Venus"], "correct": "B"},
        {"options": ["A. Mars", "B. Jupiter", "C. Venus"], "answer": "B. Jupiter"},
        {"options": {"A": "Mars", "B": "Jupiter", "C": "Venus"}, "answer": "Jupiter"},
        {"choices": {"text": ["Mars", "Jupiter", "Venus"], "label": ["A", "B", "C"]}, "answerKey": "B"},
        {"A": "Mars", "B": "Jupiter", "C": "Venus", "answer": "B"},
        {"opa": "Mars", "opb": "Jupiter", "opc": "Venus", "cop": 1},
        {"choices": "['Mars' 'Jupiter' 'Venus']", "answer": "1"},
    ],
)
def test_the_right_option_is_the_response(tmp_path, row):
    (example,) = pool_of(tmp_path, {"question": "Largest planet?", **row}).examples()
    assert (example.prompt, example.response) == (ASKED, "B. Jupiter")


def test_numbers_count_from_one_where_one_is_that_of_the_last_and_none_is_zero(tmp_path):
    rows = [{"question": f"q{n}", "choices": ["a", "b", "c"], "answer": n} for n in (1, 2, 3)]
    pool = pool_of(tmp_path, *rows)
    assert [one.response for one in pool.examples()] == ["A. a", "B. b", "C. c"]
    assert "counted from 1" in pool.why


def test_an_answer_that_is_none_of_the_options_is_rejected(tmp_path):
    rows = [{"question": f"q{n}", "choices": ["a", "b"], "answer": 0} for n in range(20)]
    pool = pool_of(tmp_path, *rows, {"question": "last", "choices": ["a", "b"], "answer": -1})
    (rejected,) = pool.rejected()
    assert "'answer' is '-1', which is none of the 2 options" in rejected.reason


def test_options_that_the_question_lists_are_not_repeated(tmp_path):
    (example,) = pool_of(
        tmp_path, {"question": ASKED, "choices": ["Mars", "Jupiter", "Venus"], "answer": 1}
    ).examples()
    assert example.prompt == ASKED


def test_a_worked_answer_beside_options_stays_the_response(tmp_path):
    row = {"question": "q", "options": ["a", "b"], "answer": "It cannot be a, so it is b."}
    (example,) = pool_of(tmp_path, row).examples()
    assert example.response == "It cannot be a, so it is b."
