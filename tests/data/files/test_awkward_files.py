"""Files that are nearly right: read, or refused with what to do."""

import gzip
import json

import pyarrow as pa
import pytest

from handpicked.data import read
from handpicked.data.files import lines
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
        ("pool.jsonl", json.dumps('{"prompt": "a"}') + "\n", "fromjson pool.jsonl > pool-rows.jsonl"),
        ("pool.jsonl", '[{"role": "user", "content": "a"}]\n' * 2, "pool.jsonl > pool-rows.jsonl"),
        ("pool.csv", "exported in May\nprompt,response\na,b\n", "Delete what is above the header"),
        ("pool.jsonl", '{"prompt": "a", "topic": "b"}\n' * 2, "a prompt is, and no response is, recognised"),
        ("pool.yaml", "- prompt: a\n  response: b\n", "yq -o=json pool.yaml"),
    ],
)
def test_what_to_do_is_said(tmp_path, name, text, says):
    with pytest.raises(PoolError, match=says):
        read(put(tmp_path / name, text))


def test_a_response_that_is_an_object_is_named(tmp_path):
    rows = [{"instruction": "p", "output": "a"}, {"instruction": "p", "output": {"city": "Oslo"}}]
    (rejected,) = read(put(tmp_path / "pool.json", json.dumps(rows))).rejected()
    assert rejected.reason == "field 'output' is an object, not text"


ROW = '{"prompt": "p", "response": "%s"}'


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.json"])
@pytest.mark.parametrize("between", ["", " ", ", "])
def test_objects_in_one_line_are_rows(tmp_path, name, between):
    pool = read(put(tmp_path / name, between.join(ROW % text for text in "abc")))
    assert [one.response for one in pool.examples()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{ROW % 'a'}{ROW % 'b'}", "several objects share the line"),
        ("<<<<<<< HEAD", "a merge conflict in Git"),
        ("=======", "a merge conflict in Git"),
        ("{'prompt': 'p', 'response': 'a'}", "how Python prints a dictionary"),
    ],
)
def test_why_a_line_among_others_is_rejected(tmp_path, line, says):
    pool = read(put(tmp_path / "pool.jsonl", f"{ROW % 'x'}\n{line}\n{ROW % 'y'}\n"))
    assert [one.response for one in pool.examples()] == ["x", "y"]
    assert [says in one.reason for one in pool.rejected()] == [True]


def test_two_byte_order_marks(tmp_path):
    pool = read(put(tmp_path / "pool.jsonl", f"\ufeff\ufeff{ROW % 'x'}\n{ROW % 'y'}\n"))
    assert [one.response for one in pool.examples()] == ["x", "y"]


def test_quotes_after_a_backslash(tmp_path):
    text = 'prompt,response\n"say \\"x\\", please","a\\n \\"b\\""\nplain,c\n'
    pool = read(put(tmp_path / "pool.csv", text))
    assert [(one.prompt, one.response) for one in pool.examples()] == [
        ('say "x", please', 'a\\n "b"'),
        ("plain", "c"),
    ]


def test_a_backslash_before_a_closing_quote_is_text(tmp_path):
    pool = read(put(tmp_path / "pool.csv", 'prompt,response\n"C:\\","a"\n"D:\\","b"\n'))
    assert [(one.prompt, one.response) for one in pool.examples()] == [("C:\\", "a"), ("D:\\", "b")]


def test_lz4(tmp_path):
    path = tmp_path / "pool.jsonl.lz4"
    with pa.output_stream(str(path), compression="lz4") as stream:
        stream.write(f"{ROW % 'x'}\n{ROW % 'y'}\n".encode())
    assert [one.response for one in read(path).examples()] == ["x", "y"]


@pytest.mark.parametrize(
    "text",
    [
        'prompt, response\n"q, r", "a ""b"""\n"s", "c"\n',
        '\n\nprompt,response\n"q, r","a ""b"""\ns,c\n',
        'prompt;response\n"q, r"; "a ""b"""\n"s"; "c"\n',
    ],
)
def test_spaces_after_commas_and_lines_before_the_header(tmp_path, text):
    pool = read(put(tmp_path / "pool.csv", text))
    assert [(one.prompt, one.response) for one in pool.examples()] == [("q, r", 'a "b"'), ("s", "c")]


def test_a_space_that_begins_a_field_is_kept(tmp_path):
    pool = read(put(tmp_path / "pool.csv", "prompt,response\nq, a\nr, b\n"))
    assert [one.response for one in pool.examples()] == [" a", " b"]


def test_a_large_record_in_each_form(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", 64)
    long = "word " * 40
    for text in (
        f'prompt, response\n"q, r", "{long} ""b"""\n"s", "c"\n',
        f'prompt,response\n"q, r","{long} \\"b\\""\n"s","c"\n',
    ):
        pool = read(put(tmp_path / "pool.csv", text))
        assert [one.response for one in pool.examples()] == [f'{long} "b"', "c"]


@pytest.mark.parametrize("inner", ["gzip", "Parquet"])
def test_what_is_packed_twice_says_so(tmp_path, inner):
    path = tmp_path / "pool.jsonl.gz"
    held = gzip.compress(b"{}") if inner == "gzip" else b"PAR1\0\0"
    path.write_bytes(gzip.compress(held))
    with pytest.raises(PoolError, match=f"is {inner} packed with gzip"):
        read(path)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([{"prompt": "p", "response": "a"}], "each row is a list of rows"),
        ({"input_ids": [1, 2], "labels": [1, 2]}, "rows are tokens"),
    ],
)
def test_rows_of_another_kind_say_what_they_are(tmp_path, row, says):
    with pytest.raises(PoolError, match=says):
        read(put(tmp_path / "pool.jsonl", f"{json.dumps(row)}\n" * 2))
