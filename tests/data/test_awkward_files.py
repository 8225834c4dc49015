"""Files that are nearly right: read, or refused with what to do."""

import json

import pytest

from handpicked.data import read
from handpicked.errors import PoolError


def put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["instruction, output", "\ufeff\ufeffinstruction,output"])
def test_spaces_and_marks_around_the_names_of_columns(tmp_path, header):
    (example,) = read(put(tmp_path / "pool.csv", f"{header}\nHow?,So.\n")).examples()
    assert (example.prompt, example.response) == ("How?", "So.")


@pytest.mark.parametrize("missing", ["nan", "NaN", "<noinput>"])
def test_an_input_that_says_there_is_none(tmp_path, missing):
    rows = [{"instruction": "How?", "input": missing, "output": "So."}] * 2
    pool = read(put(tmp_path / "pool.json", json.dumps(rows)))
    assert {example.prompt for example in pool.examples()} == {"How?"}
    prompts = [
        p for shard in pool.shards for b in shard.read(["prompt"]) for p in b.column("prompt").to_pylist()
    ]
    assert prompts == ["How?", "How?"]


def test_pandas_split_orientation(tmp_path):
    value = {"columns": ["prompt", "response"], "index": [0, 1], "data": [["a", "b"], ["c", "d"]]}
    pool = read(put(tmp_path / "pool.json", json.dumps(value)))
    assert [(one.prompt, one.response) for one in pool.examples()] == [("a", "b"), ("c", "d")]


def test_a_kto_tag_of_numbers(tmp_path):
    rows = [{"prompt": "p", "completion": str(tag), "kto_tag": tag} for tag in (0, 1)]
    pool = read(put(tmp_path / "pool.json", json.dumps(rows)))
    assert [one.response for one in pool.examples()] == ["1"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("pool.jsonl", "prompt,response\na,b\n", "looks like CSV"),
        ("pool.csv", '[{"prompt":"a","response":"b"}]', "looks like JSON"),
        ("pool.jsonl", json.dumps('{"prompt": "a"}') + "\n", "jq -c fromjson"),
    ],
)
def test_what_to_do_is_said(tmp_path, name, text, says):
    with pytest.raises(PoolError, match=says):
        read(put(tmp_path / name, text))


def test_a_response_that_is_an_object_is_named(tmp_path):
    rows = [{"instruction": "p", "output": "a"}, {"instruction": "p", "output": {"city": "Oslo"}}]
    (rejected,) = read(put(tmp_path / "pool.json", json.dumps(rows))).rejected()
    assert rejected.reason == "field 'output' is an object, not text"
