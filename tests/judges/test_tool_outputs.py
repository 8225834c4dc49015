"""Answers as inference tools write them."""

from __future__ import annotations

import json

import pytest

from handpicked.errors import PoolError
from handpicked.judges.answers import pair_up, read_answers

LM_EVAL = {"doc_id": 0, "doc": {"question": "?"}, "target": "r", "resps": [["a 1"]], "filtered_resps": ["a"]}
TOOLS = {
    "vLLM": {"request_id": "1", "prompt": "q 1", "outputs": [{"index": 0, "text": "a 1"}]},
    "lm-evaluation-harness": {**LM_EVAL, "arguments": [["q 1", {"until": []}]]},
    "LLaMA-Factory": {"prompt": "q 1", "predict": "a 1", "label": "r"},
    "WildBench": {"session_id": "s", "chat_history": ["q 1"], "model_input": "q 1", "output": ["a 1"]},
    "answers by prompt": {"q 1": "a 1"},
    "rounds": {"id": "1", "conversation": [{"input": "q 1", "output": "a 1"}]},
    "human-gpt": {"human": "q 1", "gpt": "a 1"},
}


def read(tmp_path, *rows, name="answers.jsonl"):
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_answers(tmp_path / name)


@pytest.mark.parametrize("tool", TOOLS)
def test_prompt_and_answer_are_found_and_pair_with_plain_ones(tmp_path, tool):
    found = read(tmp_path, TOOLS[tool])
    assert found.format == tool
    (answer,) = found.answers
    assert (answer.prompt, answer.text) == ("q 1", "a 1")
    plain = read(tmp_path, {"prompt": "q 1", "answer": "b"}, name="plain.jsonl")
    (pair,) = pair_up(found, plain).pairs
    assert (pair.answer_a, pair.answer_b) == ("a 1", "b")
    if tool in ("lm-evaluation-harness", "LLaMA-Factory"):
        assert pair.reference == "r"


def test_both_forms_of_lm_evals_arguments(tmp_path):
    row = {**LM_EVAL, "arguments": {"gen_args_0": {"arg_0": "q 1", "arg_1": {"until": []}}}}
    assert [answer.prompt for answer in read(tmp_path, row).answers] == ["q 1"]


def test_turns_of_arena_hard(tmp_path):
    messages = [{"role": "user", "content": "q 1"}, {"role": "assistant", "content": {"answer": "a 1"}}]
    (answer,) = read(tmp_path, {"uid": "u", "model": "m", "messages": messages}).answers
    assert (answer.prompt, answer.text) == ("q 1", "a 1")
    (answer,) = read(
        tmp_path, {"question_id": "u", "model_id": "m", "choices": [{"turns": [{"content": "a 1"}]}]}
    ).answers
    assert answer.text == "a 1"


def test_one_of_several_answers_must_be_kept(tmp_path):
    outputs = [{"index": 0, "text": "a"}, {"index": 1, "text": "b"}]
    with pytest.raises(PoolError, match=r"'outputs' is a list of 2 answers.*keep one"):
        read(tmp_path, {"prompt": "q", "outputs": outputs})


def test_an_object_that_is_no_table_of_prompts_is_refused(tmp_path):
    with pytest.raises(PoolError, match="holds no answers in a known format"):
        read(tmp_path, {"name": "x", "owner": "y"})


def test_wild_bench_is_paired_by_what_was_asked_not_by_a_models_own_template(tmp_path):
    row = {"session_id": "s", "chat_history": ["q 1", "said", "q 2"], "output": ["a"]}
    one = read(tmp_path, {**row, "model_input": "<|user|>q 1", "generator": "m"}, name="m.json")
    other = read(tmp_path, {**row, "model_input": "n/a", "generator": "n"}, name="n.json")
    (pair,) = pair_up(one, other).pairs
    assert pair.prompt == "user: q 1\n\nassistant: said\n\nuser: q 2"


def test_a_chat_request_of_lm_eval_is_its_turns_and_likelihoods_are_no_answers(tmp_path):
    turns = json.dumps([{"role": "user", "content": "q 1"}])
    row = {**LM_EVAL, "arguments": {"gen_args_0": {"arg_0": turns, "arg_1": {}}}}
    assert [answer.prompt for answer in read(tmp_path, row).answers] == ["q 1"]
    chosen = {**LM_EVAL, "arguments": [["q", " a"], ["q", " b"]], "resps": [[[-1.0, False]], [[-2.0, True]]]}
    with pytest.raises(PoolError, match="log-likelihoods"):
        read(tmp_path, chosen)
