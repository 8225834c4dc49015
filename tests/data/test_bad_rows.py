"""A row that cannot be read costs itself alone, and is told by file, place and reason."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.data import read
from handpicked.data.files import buffer
from handpicked.errors import PoolError

GOOD = {"instruction": "Say hi.", "input": "", "output": "Hi."}


def rejected(pool):
    return {row.row: (row.place, row.reason) for row in pool.rejected()}


def kept(pool):
    """Rows by bulk or batch, which must agree with the Examples."""
    rows = [row for shard in pool.shards for batch in shard.read(["row", "id"]) for row in batch.to_pylist()]
    assert rows == [{"row": example.row, "id": example.id} for example in pool.examples()]
    return [row["row"] for row in rows]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"instruction": "a", "input": "", "output": ""}, "the response is empty"),
        ({"instruction": "a", "input": "", "output": " \n"}, "the response is empty"),
        ({"instruction": "a", "input": "", "output": None}, "field 'output' is null"),
        ({"instruction": "a", "input": ""}, "field 'output' is missing (fields: instruction, input)"),
        ({"instruction": " ", "input": "", "output": "b"}, "the prompt is empty"),
        ({"instruction": None, "input": None, "output": "b"}, "field 'instruction' is null"),
        ({"instruction": "a", "input": "", "output": ["b", 1]},
         "turn 1 of 'output' is a text, not an object with a role and content"),
        ({"instruction": "a", "input": {"x": 1}, "output": "b"}, "field 'input' is an object, not text"),
        ({"instruction": "a", "input": "", "output": True}, "field 'output' is true or false, not text"),
        ("just a text", "the row is a text, not an object with fields"),
        (None, "the row is null, not an object with fields"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("container", ["json", "jsonl"])
def test_a_row_that_says_nothing(tmp_path, container, row, reason):
    path = tmp_path / f"pool.{container}"
    rows = [GOOD, row, GOOD]
    path.write_text(json.dumps(rows) if container == "json" else "\n".join(map(json.dumps, rows)))
    pool = read(path)
    assert pool.rows == 3
    assert kept(pool) == [0, 2]
    assert rejected(pool) == {1: ("row 2 of the array" if container == "json" else "line 2", reason)}


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "field 'messages' is an empty list"),
        ([{"role": "user", "content": "a"}], "no assistant turn"),
        ([{"role": "assistant", "content": "a"}], "the prompt is empty"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": None}],
         "turn 2 of 'messages' has content that is null, not text"),
        ([{"role": "wizard", "content": "a"}], "turn 1 of 'messages' has the unknown role \"wizard\""),
        ([{"content": "a"}], "turn 1 of 'messages' has no role"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
         "turn 1 of 'messages' has a content block that is not text (image_url)"),
        ("not json", "field 'messages' is text that is not a JSON list of turns"),
        (7, "field 'messages' is a number, not a list of turns"),
    ],
)  # fmt: skip
def test_a_conversation_that_cannot_be_learned(tmp_path, turns, reason):
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({"messages": turns}) + "\n")
    pool = read(path)
    assert (kept(pool), rejected(pool)) == ([0], {1: ("line 2", reason)})


def test_numbers_are_text_and_missing_turns_are_not(tmp_path):
    path = tmp_path / "sums.jsonl"
    path.write_text('{"question": "2+2?", "answer": 4}\n{"question": "1/2?", "answer": 0.5}\n')
    assert [example.response for example in read(path).examples()] == ["4", "0.5"]


def test_a_bad_line_in_the_middle(tmp_path):
    path = tmp_path / "pool.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(
        b"\xef\xbb\xbf"
        + good
        + b"\r\n\r\n"
        + b'{"instruction": "cut\r\n'
        + good
        + b"\r\n"
        + good[:-5]
        + b"\xff"
        + good[-5:]
    )
    pool = read(path)
    assert pool.rows == 4
    assert kept(pool) == [0, 2]
    assert rejected(pool) == {
        1: ("line 3", "not valid JSON: Unterminated string starting at at column 17"),
        3: ("line 5", "not UTF-8 at its byte 51"),
    }


def test_damage_in_a_json_array_costs_one_row(tmp_path):
    path = tmp_path / "pool.json"
    text = json.dumps([{**GOOD, "output": f"Hi {index}."} for index in range(5)], indent=1)
    path.write_text(text.replace('"Hi 2."', '"Hi "2."'))
    pool = read(path)
    assert pool.rows == 5
    assert [example.response for example in pool.examples()] == ["Hi 0.", "Hi 1.", "Hi 3.", "Hi 4."]
    (row,) = pool.rejected()
    assert (row.row, row.place) == (2, "line 12")
    assert row.reason == "not valid JSON: Expecting ',' delimiter in line 15"
    path.write_text(text.replace('"Hi 4."', '"Hi "4."'))
    assert [row.row for row in read(path).rejected()] == [4]


@pytest.mark.parametrize("cut", [3, 40, 90])
def test_a_json_array_that_is_cut_is_an_error_that_says_where(tmp_path, cut):
    path = tmp_path / "pool.json"
    path.write_text(json.dumps([GOOD] * 9, indent=1)[:-cut])
    with pytest.raises(PoolError, match=r"\(byte \d+\).*(rows before it are sound|Is the file complete)"):
        read(path)


def test_rows_larger_than_the_buffer(tmp_path, monkeypatch):
    monkeypatch.setattr(buffer, "CHUNK", 64)
    long = {**GOOD, "output": 'é"\\\n{}[],' * 5000}
    path = tmp_path / "pool.json"
    path.write_text(json.dumps([GOOD, long, GOOD, long], ensure_ascii=False), encoding="utf-8")
    assert [dict(example.original) for example in read(path).examples()] == [GOOD, long, GOOD, long]


@pytest.mark.slow
@pytest.mark.parametrize("container", ["json", "jsonl", "csv"])
def test_a_row_of_fifty_megabytes(tmp_path, container):
    path = tmp_path / f"pool.{container}"
    huge = "x" * (50 << 20)
    rows = [GOOD, {**GOOD, "output": huge}, GOOD]
    if container == "csv":
        path.write_text(f"instruction,input,output\na,,b\na,,{huge}\na,,b\n")
    else:
        path.write_text(json.dumps(rows) if container == "json" else "\n".join(map(json.dumps, rows)))
    assert [len(example.response) for example in read(path).examples()][1] == len(huge)


def test_ragged_csv(tmp_path):
    path = tmp_path / "pool.csv"
    path.write_bytes(b'\xef\xbb\xbfprompt,response\r\na,"b, ""c"""\r\na\r\na,b,c\r\n\r\n"x\r\ny",z\r\n')
    pool = read(path)
    assert [(example.prompt, example.response) for example in pool.examples()] == [
        ("a", 'b, "c"'),
        ("x\r\ny", "z"),
    ]
    assert rejected(pool) == {
        1: ("line 3", "1 fields where the header has 2"),
        2: ("line 4", "3 fields where the header has 2"),
    }
    path.write_text('prompt,response\na,b\na,"b\nc,d\n')
    with pytest.raises(PoolError, match="the quote opened in the row at line 3 never closes, so the 2 lines"):
        read(path)


def test_surrogates_and_nul_bytes(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(
        b'{"prompt": "a\\u0000", "response": "\\ud83d\\ude00 \\ud83d"}\n{"prompt": "a\x00", "response": "b"}\n'
    )
    pool = read(path)
    assert kept(pool) == [0, 1]
    first, second = pool.examples()
    assert (first.prompt, first.response) == ("a\0", "😀 �")
    assert first.original["response"] == "😀 \ud83d"
    assert second.prompt == "a\0"
    written = pool.write([0, 1], tmp_path / "out")
    assert [json.loads(line) for line in written.read_text().splitlines()] == [
        first.original,
        second.original,
    ]


@pytest.mark.parametrize("container", ["json", "jsonl"])
def test_a_surrogate_as_bytes_is_not_utf8(tmp_path, container):
    path = tmp_path / f"pool.{container}"
    rows = [json.dumps(GOOD).encode(), b'{"instruction": "a", "output": "\xed\xa0\x80"}']
    path.write_bytes(b"[" + b",".join(rows) + b"]" if container == "json" else b"\n".join(rows))
    pool = read(path)
    assert kept(pool) == [0]
    assert ["UTF-8" in row.reason for row in pool.rejected()] == [True]


def test_parquet_with_bytes_that_are_not_utf8(tmp_path):
    data = pa.array([b"good", b"\xff\xfe", b"good"], pa.binary())
    broken = pa.StringArray.from_buffers(3, data.buffers()[1], data.buffers()[2])
    pq.write_table(pa.table({"prompt": ["a", "b", "c"], "response": broken}), tmp_path / "pool.parquet")
    pool = read(tmp_path / "pool.parquet")
    assert kept(pool) == [0, 2]
    assert [row.reason for row in pool.rejected()] == [
        "it holds bytes that are not UTF-8 (invalid start byte)"
    ]


def test_parquet_with_nulls_and_numbers(tmp_path):
    table = pa.table({"question": ["a", None, "c", "d"], "answer": [1, 2, None, 4]})
    pq.write_table(table, tmp_path / "pool.parquet", row_group_size=2)
    pool = read(tmp_path / "pool.parquet")
    assert kept(pool) == [0, 3]
    assert rejected(pool) == {
        1: ("row 2", "field 'question' is null"),
        2: ("row 3", "field 'answer' is null"),
    }
