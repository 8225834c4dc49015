"""Preference data and several answers to a prompt: what is a demonstration, and what stays beside it."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read

ASK = {"role": "user", "content": "Name a gas."}
GOOD, BAD = {"role": "assistant", "content": "Neon."}, {"role": "assistant", "content": "Iron."}


def pool_of(tmp_path, *rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return read(path)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Name a gas.", "chosen": "Neon.", "rejected": "Iron."},
        {"prompt": "Name a gas.", "chosen": "Name a gas.Neon.", "rejected": "Name a gas.Iron."},
        {"prompt": "Name a gas.", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": [ASK], "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"messages": [ASK, GOOD], "prompt": "Name a gas.", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
        {"conversations": [{"from": "human", "value": "Name a gas."}], "chosen": {"from": "gpt", "value": "Neon."},
         "rejected": {"from": "gpt", "value": "Iron."}},
        {"chosen": "\n\nHuman: Name a gas.\n\nAssistant: Neon.", "rejected": "\n\nHuman: Name a gas.\n\nAssistant: Iron."},
    ],
)  # fmt: skip
def test_the_chosen_answer_is_read_and_its_prompt_once(tmp_path, row):
    pool = pool_of(tmp_path, row)
    (example,) = pool.examples()
    assert (example.prompt, example.response) == ("Name a gas.", "Neon.")
    written = json.loads(pool.write([0], tmp_path / "out", "messages").read_text())
    assert written["messages"] == [ASK, GOOD]
    assert "Iron." in json.dumps(written["rejected"])
    assert json.loads(pool.write([0], tmp_path / "out").read_text()) == row


def test_a_prompt_that_only_the_chosen_answer_repeats_is_its_own_text(tmp_path):
    (example,) = pool_of(
        tmp_path, {"prompt": "Say A.", "chosen": "Say A. is a game.", "rejected": "No."}
    ).examples()
    assert example.response == "Say A. is a game."


@pytest.mark.parametrize("field", ["label", "kto_tag"])
@pytest.mark.parametrize("container", ["jsonl", "parquet", "csv"])
def test_an_answer_that_was_not_wanted_is_no_demonstration(tmp_path, field, container):
    rows = [{"prompt": "q", "completion": f"a{number}", field: number != 1} for number in range(3)]
    if container == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pool.parquet")
        pool = read(tmp_path / "pool.parquet")
    elif container == "csv":
        lines = "\n".join(f"{row['prompt']},{row['completion']},{row[field]}" for row in rows)
        (tmp_path / "pool.csv").write_text(f"prompt,completion,{field}\n{lines}\n")
        pool = read(tmp_path / "pool.csv")
    else:
        pool = pool_of(tmp_path, *rows)
    read_ = [
        text
        for shard in pool.shards
        for batch in shard.read(["response"])
        for text in batch["response"].to_pylist()
    ]
    assert read_ == ["a0", "a2"]
    (rejected,) = pool.rejected()
    assert rejected.row == 1 and f"'{field}' is false" in rejected.reason


def test_a_label_that_is_a_class_is_a_field_like_others(tmp_path):
    rows = [{"prompt": "q", "completion": "a", "label": 0}, {"prompt": "q", "completion": "b", "label": 1}]
    pool = pool_of(tmp_path, *rows)
    assert len(list(pool.examples())) == 2
    assert [one.field for one in pool.unread()] == ["label"]


@pytest.mark.parametrize(
    ("one", "two"), [("score_chosen", "score_rejected"), ("chosen-rating", "rejected-rating")]
)
def test_ratings_and_their_margin_are_columns(tmp_path, one, two):
    row = {"prompt": "q", "chosen": "a", "rejected": "b", one: 8.5, two: 6.0}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "pool.parquet")
    for pool in (pool_of(tmp_path, row), read(tmp_path / "pool.parquet")):
        (batch,) = pool.shards[0].read(["response", one, "margin"])
        assert batch.to_pylist() == [{"response": "a", one: 8.5, "margin": 2.5}]


def test_of_several_answers_the_best_is_read(tmp_path):
    answers = [
        {"response": text, "overall_score": score} for text, score in [("b", 4.0), ("a", 8.5), ("c", 7.0)]
    ]
    pool = pool_of(
        tmp_path, {"instruction": "q", "completions": answers}, {"instruction": "q2", "completions": []}
    )
    (example,) = pool.examples()
    assert (example.prompt, example.response) == ("q", "a")
    found = [
        row
        for shard in pool.shards
        for batch in shard.read(["rating", "margin"])
        for row in batch.to_pylist()
    ]
    assert found == [{"rating": 8.5, "margin": 1.5}]
    (rejected,) = pool.rejected()
    assert "'completions' is an empty list" in rejected.reason


def test_the_lowest_rank_is_the_best(tmp_path):
    answers = [{"answer": "b", "rank": 2.0}, {"answer": "a", "rank": 1.0}]
    (example,) = pool_of(tmp_path, {"prompt": "\n\nHuman: q\n\nAssistant: ", "answers": answers}).examples()
    assert (example.prompt, example.response) == ("q", "a")


TEMPLATED = [
    "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n",
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>",
    "<|system|>\nS</s>\n<|user|>\nq</s>\n<|assistant|>\na</s>",
    "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nq [/INST] a </s>",
    "S USER: q ASSISTANT: a</s>",
]


@pytest.mark.parametrize("text", TEMPLATED)
def test_a_text_in_a_template_is_cut_at_its_marks(tmp_path, text):
    (example,) = pool_of(tmp_path, {"text": text}).examples()
    assert [(turn.role, turn.content) for turn in example.messages] == [
        ("system", "S"),
        ("user", "q"),
        ("assistant", "a"),
    ]


def test_alpacas_template_has_an_input(tmp_path):
    head = "Below is an instruction that describes a task, paired with an input. Write a response.\n\n"
    text = f"{head}### Instruction:\nAdd.\n\n### Input:\n1, 2\n\n### Response:\n3"
    (example,) = pool_of(tmp_path, {"text": text}).examples()
    assert (example.prompt, example.response, example.messages[0].input) == ("Add.\n\n1, 2", "3", "1, 2")
