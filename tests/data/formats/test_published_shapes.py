"""Rows as annotation tools, agents, question and preference data sets write them, with the turns that they mean."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.errors import PoolError

Q, A, X = (
    {"role": "user", "content": "q"},
    {"role": "assistant", "content": "a"},
    {"role": "assistant", "content": "x"},
)
PLAIN = [("user", "q"), ("assistant", "a")]


def pool_of(tmp_path, *rows, name="pool.jsonl"):
    path = tmp_path / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return read(path)


def said(example):
    return [(turn.role, turn.content) for turn in example.messages]


def unread(pool):
    return {one.field for one in pool.unread()}


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "row",
    [
        {"problem": "q", "generated_solution": "a", "expected_answer": "4"},
        {"prompt": "q", "canonical_solution": "a", "test": "assert"},
        {"instruction": "q", "generation": "a", "model_name": "m"},
        {"question": "q", "best_answer": "a", "correct_answers": ["a", "b"], "incorrect_answers": ["x"]},
        {"Question": "q", "Best Answer": "a", "Correct Answers": "a; b"},
        {"question": "q", "correct_answer": "a", "distractor1": "x", "support": ""},
        {"input_text": "q", "output_text": "a"},
        {"user_prompt": "q", "model_response": "a"},
        {"message_1": "q", "message_2": "a", "topic": "t"},
        {"document": "q", "summary": "a"},
        {"input": "q", "expectedOutput": "a"},
        {"input": [Q], "ideal": "a"},
        {"prompt": "q", "chosen_response": "a", "rejected_response": "x"},
        {"question": "q", "better": "a", "worse": "x"},
        {"messages": [Q], "chosen_response": "a", "rejected_response": "x"},
        {"question": "q", "answer": {"value": "a", "aliases": ["a", "b"], "type": "FreeForm"}},
        {"question": {"full_text": "q"}, "answer": "a"},
        {"extra_info": {"question": "q", "answer": "a"}, "data_source": "d"},
        {"row_idx": 3, "row": {"instruction": "q", "output": "a"}},
        {"line": '{"instruction": "q", "output": "a"}'},
        {"inputs": {"messages": [[Q]]}, "outputs": {"messages": [Q, A]}},
    ],
)  # fmt: skip
def test_a_prompt_and_its_response_are_found(tmp_path, row, times):
    pool = pool_of(tmp_path, *[row] * times)
    assert [said(example) for example in pool.examples()] == [PLAIN] * times


def test_instructions_are_not_lost_beside_their_input(tmp_path):
    (example,) = pool_of(tmp_path, {"instructions": "q", "input": "i", "output": "a"}).examples()
    assert said(example) == [("user", "q\n\ni"), ("assistant", "a")]


def test_a_passage_belongs_to_the_question(tmp_path):
    (example,) = pool_of(tmp_path, {"question": "q", "passage": "p", "answer": "a"}).examples()
    assert (example.prompt, example.messages[0].input) == ("q\n\np", "p")


@pytest.mark.parametrize("field", ["cot", "chain_of_thought", "think", "reasoning"])
def test_a_thought_in_a_field_of_its_own(tmp_path, field):
    (example,) = pool_of(tmp_path, {"question": "q", field: "t", "answer": "a"}).examples()
    assert (example.messages[-1].reasoning, example.messages[-1].content) == ("t", "a")


def test_a_thought_beside_turns_and_their_answer(tmp_path):
    (example,) = pool_of(tmp_path, {"messages": [Q], "reasoning": "t", "answer": "a"}).examples()
    assert (example.messages[-1].reasoning, example.messages[-1].content) == ("t", "a")


TWO = {"prompt": "q", "response_a": "x", "response_b": "a"}
NUMBERED = {"prompt": "q", "response_0": "x", "response_1": "a"}


@pytest.mark.parametrize(
    "row",
    [
        {**TWO, "winner": "b"},
        {**TWO, "winner": "model_b"},
        {**TWO, "winner": "[[B]]"},
        {**TWO, "preference": "response_b"},
        {**TWO, "winner": "glm", "model_a": "phi", "model_b": "glm"},
        {**TWO, "winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
        {**TWO, "score_a": 0.5, "score_b": 1.5},
        {**NUMBERED, "better_response_id": 1, "safer_response_id": 0},
        {**NUMBERED, "preference": "1"},
        {"question": {"full_text": "q"}, "answer_0": "x", "score_0": -1, "answer_1": "a", "score_1": 1},
        {"prompt": "q", "response_1": "x", "response_2": "a", "preference_strength": 1},
        {"context": [Q], "response1": "x", "response2": "a", "overall_preference": 2},
        {"history": "q", "human_ref_A": "x", "human_ref_B": "a", "labels": 0, "score_A": 2, "score_B": 9},
        {"conversation_a": [Q, X], "conversation_b": [Q, A], "winner": "model_b"},
        {"prompt": '["q"]', "response_a": '["x"]', "response_b": '["a"]', "winner": "b"},
    ],
)  # fmt: skip
def test_the_preferred_of_two_answers_is_read(tmp_path, row):
    pool = pool_of(tmp_path, row, row)
    assert [said(example) for example in pool.examples()] == [PLAIN] * 2
    assert pool.format == "compared"


def test_a_preference_below_zero_is_for_the_first_answer(tmp_path):
    row = {"prompt": "q", "response_1": "a", "response_2": "x", "preference_strength": -3}
    (example,) = pool_of(tmp_path, row).examples()
    assert said(example) == PLAIN


def test_rounds_of_a_comparison_are_all_read(tmp_path):
    row = {"prompt": '["q", "r"]', "response_a": '["a", "b"]', "response_b": '["x", "y"]', "winner": "a"}
    (example,) = pool_of(tmp_path, row).examples()
    assert said(example) == [*PLAIN, ("user", "r"), ("assistant", "b")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**TWO, "winner": "tie"}, "none of the 2 answers is preferred ('winner' is 'tie')"),
        ({**TWO, "winner": None}, "none of the 2 answers is preferred"),
        ({**TWO, "winner": "tie (bothbad)"}, "none of the 2 answers is preferred"),
        ({**TWO, "label": 1}, "whether it counts answers from 0 or from 1"),
        ({"prompt": "q", "response_1": "x", "response_2": "a", "preference_strength": 0}, "none of the 2"),
        (TWO, "no rating of them"),
    ],
)
def test_answers_of_which_none_is_preferred_are_rejected(tmp_path, row, reason):
    pool = pool_of(tmp_path, row)
    assert not list(pool.examples())
    assert [reason in one.reason for one in pool.rejected()] == [True]


@pytest.mark.parametrize(("labels", "response"), [((0, 1), ["x", "a"]), ((1, 2), ["x", "a"])])
def test_numbers_for_letters_count_from_what_the_file_shows(tmp_path, labels, response):
    pool = pool_of(tmp_path, *({**TWO, "label": label} for label in labels))
    assert [example.response for example in pool.examples()] == response


def test_by_how_much_the_preferred_answer_is_rated_higher(tmp_path):
    pool = pool_of(tmp_path, {**TWO, "score_a": 0.5, "score_b": 2})
    (batch,) = [batch for shard in pool.shards for batch in shard.read(["margin"])]
    assert batch["margin"].to_pylist() == [1.5]


def reply(text, role, *replies, **more):
    return {"text": text, "role": role, "replies": [*replies], **more}


def test_the_best_ranked_branch_of_a_tree(tmp_path):
    better = reply("a", "assistant", reply("q2", "prompter", reply("a2", "assistant")), rank=0)
    root = reply("q", "prompter", reply("x", "assistant", rank=1), better)
    (example,) = pool_of(tmp_path, {"message_tree_id": "1", "prompt": root}).examples()
    assert said(example) == [*PLAIN, ("user", "q2"), ("assistant", "a2")]


def test_a_tree_ends_where_ranks_do_not_tell_and_skips_what_was_deleted(tmp_path):
    unranked = reply("q2", "prompter", reply("b", "assistant"), reply("c", "assistant"))
    gone = reply("x", "assistant", rank=0, deleted=True)
    root = reply("q", "prompter", gone, reply("a", "assistant", unranked, rank=1))
    (example,) = pool_of(tmp_path, {"prompt": root}).examples()
    assert said(example) == [*PLAIN, ("user", "q2")]
    assert example.response == "a"


def test_a_tree_of_unranked_answers_is_undecided(tmp_path):
    root = reply("q", "prompter", reply("a", "assistant"), reply("b", "assistant"))
    pool = pool_of(tmp_path, {"prompt": root})
    (rejected,) = pool.rejected()
    assert "'prompt.replies' holds 2 answers and no rating of them" in rejected.reason


def test_single_messages_of_a_tree_are_refused_with_what_to_take(tmp_path):
    rows = [{"message_id": "1", "parent_id": None, "text": "q", "role": "prompter"}] * 2
    with pytest.raises(PoolError, match=r"one message of a tree.*trees\.jsonl\.gz"):
        pool_of(tmp_path, *rows)


def test_a_conversation_of_moss_with_a_tool(tmp_path):
    chat = {
        "turn_1": {"Human": "<|Human|>: q<eoh>\n", "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n",
                   "Commands": "<|Commands|>: None<eoc>\n", "Tool Responses": "<|Results|>: None<eor>\n",
                   "MOSS": "<|MOSS|>: a<eom>\n"},
        "turn_2": {"Human": "<|Human|>: r<eoh>\n", "Inner Thoughts": "<|Inner Thoughts|>: t<eot>\n",
                   "Commands": '<|Commands|>: Search("x"), Calculate("1+(1)")<eoc>\n',
                   "Tool Responses": "<|Results|>: two<eor>\n", "MOSS": "<|MOSS|>: b<eom>\n"},
    }  # fmt: skip
    (example,) = pool_of(tmp_path, {"meta_instruction": "s\n", "chat": chat}).examples()
    calls = example.messages[4]
    assert said(example) == [
        ("system", "s"), *PLAIN, ("user", "r"), ("assistant", ""), ("tool", "two"), ("assistant", "b"),
    ]  # fmt: skip
    assert [(call.name, call.arguments) for call in calls.calls] == [
        ("Search", '"x"'),
        ("Calculate", '"1+(1)"'),
    ]
    assert calls.reasoning == "t" and not example.messages[-1].reasoning


@pytest.mark.parametrize("times", [1, 3])
def test_the_instruction_of_self_instruct_belongs_to_its_instance(tmp_path, times):
    row = {"instruction": "q", "instances": [{"input": "i", "output": "a"}, {"input": "j", "output": "b"}]}
    examples = list(pool_of(tmp_path, *[row] * times).examples())
    assert [said(one) for one in examples] == [[("user", "q\n\ni"), ("assistant", "a")]] * times


def test_a_task_of_natural_instructions_gives_each_instance_its_definition(tmp_path):
    path = tmp_path / "task.json"
    shown = [{"input": "e", "output": "f"}]
    rows = [{"input": "i", "output": ["a"]}, {"input": "j", "output": ["b"]}]
    path.write_text(json.dumps({"Definition": ["q"], "Positive Examples": shown, "Instances": rows}))
    assert [(one.prompt, one.response) for one in read(path).examples()] == [("q\n\ni", "a"), ("q\n\nj", "b")]


def test_the_questions_of_squad_get_their_paragraph(tmp_path):
    path = tmp_path / "train.json"
    asked = [{"question": "q", "answers": [{"text": "a", "answer_start": 0}]}]
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": asked}]}]}))
    assert [(one.prompt, one.response) for one in read(path).examples()] == [("q\n\nc", "a")]


def test_conversations_by_id(tmp_path):
    path = tmp_path / "pool.json"
    path.write_text(json.dumps({"c1": [Q, A], "c2": [Q, X]}))
    assert [one.original["id"] for one in read(path).examples()] == ["c1", "c2"]


def studio(kind, value, **data):
    result = {"from_name": "answer", "to_name": "prompt", "type": kind, "value": value}
    return {
        "id": 1,
        "data": {"prompt": "q", **data},
        "annotations": [{"was_cancelled": False, "result": [result]}],
    }


def test_what_was_written_in_label_studio_is_the_response(tmp_path):
    task = studio("textarea", {"text": ["a"]}, response="a draft")
    skipped = {"data": {"prompt": "q"}, "annotations": [{"was_cancelled": True, "result": []}]}
    pool = pool_of(tmp_path, task, skipped)
    assert [said(example) for example in pool.examples()] == [PLAIN]
    assert [one.reason for one in pool.rejected()] == ["the task has no annotation"]
    assert "data.response" in unread(pool)


def test_the_answer_that_was_selected_in_label_studio(tmp_path):
    task = studio("pairwise", {"selected": "right"}, answer1="x", answer2="a")
    assert [said(example) for example in pool_of(tmp_path, task, task).examples()] == [PLAIN] * 2


ARGILLA = {"fields": {"prompt": "q", "response": "x"}, "metadata": {}}


def test_what_was_written_in_argilla_is_the_response(tmp_path):
    discarded = {"user_id": "1", "value": "no", "status": "discarded"}
    submitted = {"user_id": "2", "value": "a", "status": "submitted"}
    pool = pool_of(
        tmp_path,
        {**ARGILLA, "responses": {"corrected": [discarded, submitted]}},
        {**ARGILLA, "responses": {}},
    )
    assert [said(example) for example in pool.examples()] == [PLAIN]
    assert [one.reason for one in pool.rejected()] == ["the record has no response to 'corrected'"]
    columns = {"instruction": "q", "response": "x", "corrected_response": [submitted], "external_id": "7"}
    assert [said(example) for example in pool_of(tmp_path, columns).examples()] == [PLAIN]


def test_a_label_in_argilla_is_no_response(tmp_path):
    record = {**ARGILLA, "responses": {"response_quality": [{"user_id": "1", "value": "good"}]}}
    (example,) = pool_of(tmp_path, record).examples()
    assert (example.prompt, example.response) == ("q", "x")


def test_fields_of_a_row_inside_of_another_are_counted(tmp_path):
    assert unread(pool_of(tmp_path, {"n": 1, "row": {"prompt": "q", "response": "a", "z": 2}})) == {
        "n",
        "row.z",
    }


def test_rows_in_two_fields_are_not_guessed(tmp_path):
    row = {"prompt": "q", "response": "a"}
    with pytest.raises(PoolError, match="no prompt and response"):
        pool_of(tmp_path, *[{"one": row, "two": row}] * 2)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rounds_and_instances_are_no_losses(tmp_path, suffix):
    kinds = (
        {"instruction": "q", "instances": [{"input": "i", "output": "a"}]},
        {"conversation": [{"system": "s", "input": "q", "output": "a"}]},
    )
    for number, row in enumerate(kinds):
        path = tmp_path / f"pool{number}.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.Table.from_pylist([row, row]), path)
        else:
            path.write_text(f"{json.dumps(row)}\n" * 2)
        assert not unread(read(path))
