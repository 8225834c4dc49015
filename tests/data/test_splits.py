"""A folder with the splits of a data set: train is read, what is held out for
evaluation is not, and says so.
"""

from __future__ import annotations

import json

import pytest

from handpicked.data import read


def folder_of(tmp_path, *names):
    for name in names:
        file = tmp_path / "ds" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"prompt": "q", "response": name}) + "\n")
    return tmp_path / "ds"


@pytest.mark.parametrize(
    "held_out",
    [
        "test.jsonl",
        "test-00000-of-00001.jsonl",
        "test/0.jsonl",
        "validation.jsonl",
        "dev.jsonl",
        "data/eval_1.jsonl",
    ],
)
def test_the_split_train_alone_is_read(tmp_path, held_out):
    pool = read(folder_of(tmp_path, "train.jsonl", "more.jsonl", held_out))
    assert {example.response for example in pool.examples()} == {"train.jsonl", "more.jsonl"}
    assert "split" in pool.why and "left out" in pool.why


@pytest.mark.parametrize(
    "names", [("test.jsonl", "dev.jsonl"), ("train.jsonl", "testimony.jsonl"), ("a.jsonl", "test.jsonl")]
)
def test_without_a_split_train_or_a_held_out_one_all_is_read(tmp_path, names):
    pool = read(folder_of(tmp_path, *names))
    assert {example.response for example in pool.examples()} == set(names)
