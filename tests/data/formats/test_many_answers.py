"""Rows with several answers to a prompt: the best is read where it is known, else the row says why not."""

import json

import pytest

from handpicked.data import read


def pool_of(tmp_path, *rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read(path)


def only(tmp_path, *rows, **kwargs):
    (example,) = pool_of(tmp_path, *rows, **kwargs).examples()
    return example.prompt, example.response


@pytest.mark.parametrize("field", ["response", "output", "completions", "generations", "candidates"])
def test_one_answer_in_a_list_is_the_answer(tmp_path, field):
    assert only(tmp_path, {"prompt": "Capital of Chad?", field: ["N'Djamena"]}) == (
        "Capital of Chad?",
        "N'Djamena",
    )


@pytest.mark.parametrize("field", ["response", "generations", "responses"])
def test_several_answers_without_a_rating_are_no_conversation(tmp_path, field):
    pool = pool_of(tmp_path, {"prompt": "Capital of Chad?", field: ["Moundou", "N'Djamena"]})
    assert not list(pool.examples())
    (rejected,) = pool.rejected()
    assert f"'{field}' holds 2 answers and no rating" in rejected.reason


def test_answers_that_are_all_the_same_are_one(tmp_path):
    assert only(tmp_path, {"prompt": "p", "responses": ["yes", "yes"]}) == ("p", "yes")


@pytest.mark.parametrize("ratings", ["ratings", "scores", "rewards"])
def test_ratings_in_a_list_beside_the_answers(tmp_path, ratings):
    row = {"instruction": "p", "generations": ["poor", "fine", "good"], ratings: [1, None, 4]}
    assert only(tmp_path, row) == ("p", "good")


def test_only_an_answer_that_was_found_right_is_read(tmp_path):
    rows = [
        {"problem": "2+2", "generations": ["five", "four"], "correctness_math_verify": found}
        for found in ([False, True], [False, False])
    ]
    pool = pool_of(tmp_path, *rows)
    assert [one.response for one in pool.examples()] == ["four"]
    (rejected,) = pool.rejected()
    assert "no answer in 'generations' is right by 'correctness_math_verify'" in rejected.reason


def test_as_many_ratings_as_answers(tmp_path):
    rows = [
        {"prompt": "p", "responses": ["a", "b"], "scores": [1, 2]},
        {"prompt": "q", "responses": ["a", "b"], "scores": [1]},
    ]
    (rejected,) = pool_of(tmp_path, *rows).rejected()
    assert "'scores' has 1 values for the 2 of 'responses'" in rejected.reason


def test_calls_of_tools_are_one_answer(tmp_path):
    calls = [{"name": "weather", "arguments": {"city": "Lagos"}}]
    (example,) = pool_of(tmp_path, {"query": "Rain?", "answers": json.dumps(calls)}).examples()
    assert [call.name for call in example.messages[-1].calls] == ["weather"]


def test_context_is_read_with_answers(tmp_path):
    row = {"question": "Who?", "context": "Ada wrote it.", "answers": {"text": ["Ada"], "answer_start": [0]}}
    assert only(tmp_path, row) == ("Who?\n\nAda wrote it.", "Ada")


def test_lists_of_prompts_and_of_answers_are_no_row(tmp_path):
    rows = [{"prompt": ["Where?"], "response": ["Here."]}, {"prompt": "Where?", "response": ["Here."]}]
    (rejected,) = pool_of(tmp_path, *rows).rejected()
    assert rejected.reason == "'prompt' and 'response' are both lists of texts; a row holds one prompt"
