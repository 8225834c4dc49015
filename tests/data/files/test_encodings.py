"""Text files in other encodings than UTF-8, and the places of rows in files of one line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

from handpicked.data import read, read_prompts
from handpicked.errors import PoolError

ROWS = [
    {"prompt": "Übersetze \u201edas\u201c", "response": "Haus \U0001f3e0 \u2028 ok"},
    {"prompt": "日本?", "response": 'はい。\n"ja"'},
    {"prompt": "plain", "response": "text"},
]


def cell(text):
    return '"' + text.replace('"', '""') + '"'


def written(kind):
    if kind == "json":
        return json.dumps(ROWS, ensure_ascii=False)
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    between = {"csv": ",", "tsv": "\t"}[kind]
    rows = [["prompt", "response"], *([row["prompt"], row["response"]] for row in ROWS)]
    return "".join(between.join(map(cell, row)) + "\r\n" for row in rows)


def pairs(pool):
    return [(example.prompt, example.response) for example in pool.examples()]


WHOLE = [(row["prompt"], row["response"]) for row in ROWS]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "tsv"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_utf_16_and_32_with_a_mark_are_read_as_they_are(tmp_path, kind, encoding, packed):
    data = (("\ufeff" if encoding == "utf-16-be" else "") + written(kind)).encode(encoding)
    path = tmp_path / (f"pool.{kind}" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(data) if packed else data)
    pool = read(path)
    assert pairs(pool) == WHOLE and not list(pool.rejected())
    assert "utf-" in pool.why and "utf-" in pool.inputs()[0]["container"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_where_its_letters_show_it(tmp_path, encoding):
    (tmp_path / "pool.csv").write_bytes("prompt,response\na,b\n".encode(encoding))
    assert pairs(read(tmp_path / "pool.csv")) == [("a", "b")]


def test_prompts_in_utf_16(tmp_path):
    (tmp_path / "prompts.jsonl").write_bytes(written("jsonl").encode("utf-16"))
    assert [prompt.text for prompt in read_prompts(tmp_path / "prompts.jsonl", "x")] == [
        one for one, _ in WHOLE
    ]


def test_rows_chosen_from_a_large_utf_16_file_are_the_right_ones(tmp_path, monkeypatch):
    """Larger than what is held: it is read again for what is chosen."""
    monkeypatch.setattr("handpicked.data.files.text.HOLD", 1000)
    rows = [{"prompt": f"p{number}", "response": "é" * number} for number in range(300)]
    path = tmp_path / "pool.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-16"))
    pool = read(path)
    assert [(one.row, one.response) for one in pool.examples([1, 150, 299])] == [
        (number, "é" * number) for number in (1, 150, 299)
    ]
    assert [one.place for one in pool.rejected()] == ["line 1"]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_another_encoding_is_named_by_the_user(tmp_path, kind):
    row = {"prompt": "Grüße \u201edas\u201c \u20ac", "response": "naïve \u2013 ok"}
    text = {
        "json": json.dumps([row], ensure_ascii=False),
        "jsonl": json.dumps(row, ensure_ascii=False) + "\n",
        "csv": "prompt,response\n" + ",".join(row.values()) + "\n",
    }[kind]
    path = tmp_path / f"pool.{kind}"
    path.write_bytes(text.encode("cp1252"))
    assert pairs(read(path, encoding="windows-1252")) == [tuple(row.values())]
    path.write_text(text, encoding="utf-8")
    assert pairs(read(path, encoding="UTF-8")) == [tuple(row.values())]


def test_a_byte_that_the_encoding_has_not_and_an_encoding_that_is_none(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b'{"prompt": "\x81", "response": "b"}\n')
    with pytest.raises(PoolError, match="cannot be read to its end: it is not cp1252 throughout"):
        read(path, encoding="windows-1252")
    for wrong in ("windows-1525", "base64"):
        with pytest.raises(
            PoolError, match=f"encoding: '{wrong}' is not an encoding of text; such are utf-8"
        ):
            read(path, encoding=wrong)


def test_the_option_of_the_command(tmp_path):
    (tmp_path / "pool.jsonl").write_bytes(
        json.dumps({"prompt": "é", "response": "è"}, ensure_ascii=False).encode("cp1252")
    )
    words = ["select", "pool.jsonl", "--size", "1", "-o", "out", "--encoding", "windows-1252"]
    done = subprocess.run(
        [sys.executable, "-m", "handpicked", *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/selected.jsonl").read_text("utf-8")) == {
        "prompt": "é",
        "response": "è",
    }


GOOD, BAD = {"prompt": "a", "response": "b"}, {"prompt": "a", "response": None}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (json.dumps([GOOD, BAD, GOOD, BAD]), ["row 2 of the array", "row 4 of the array"]),
        (json.dumps([GOOD, BAD], indent=2), ["line 6"]),
        (f"[{json.dumps(GOOD)},\n{json.dumps(BAD)}]", ["line 2"]),
        (f"[{json.dumps(GOOD)}, {json.dumps(GOOD)},\n{json.dumps(BAD)}]", ["row 3 of the array"]),
        (json.dumps({"data": [GOOD, BAD]}), ["row 2"]),
        (f"{json.dumps(GOOD)}\n{json.dumps(BAD)}\n", ["line 2"]),
    ],
)
def test_the_place_of_a_rejected_row_can_be_found(tmp_path, text, places):
    (tmp_path / "pool.json").write_text(text)
    assert [one.place for one in read(tmp_path / "pool.json").rejected()] == places


def test_the_place_in_a_large_array_of_one_line(tmp_path, monkeypatch):
    """In spans of a few rows each, as a large file is read."""
    monkeypatch.setattr("handpicked.data.files.text.HOLD", 1000)
    monkeypatch.setattr("handpicked.data.files.text.SHARD", 500)
    monkeypatch.setattr("handpicked.data.files.buffer.CHUNK", 256)
    (tmp_path / "pool.json").write_text(
        json.dumps([BAD if number in (7, 88) else GOOD for number in range(100)])
    )
    pool = read(tmp_path / "pool.json")
    assert len(pool.shards) > 2
    assert [(one.row, one.place) for one in pool.rejected()] == [
        (7, "row 8 of the array"),
        (88, "row 89 of the array"),
    ]


def test_the_place_of_a_prompt_that_is_none(tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps([{"prompt": "a"}, {"prompt": " "}]))
    with pytest.raises(PoolError, match=r"prompts\.json, line 1, row 2 of the array: the prompt is empty"):
        read_prompts(tmp_path / "prompts.json", "x")
