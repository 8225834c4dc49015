"""What is no pool is refused in one line that says what, where and what to do."""

from __future__ import annotations

import json
import os

import pytest

from handpicked.data import read, read_prompts
from handpicked.errors import HandpickedError, PoolError

CASES = [
    (b"", "is empty: there are no rows to read"),
    (b"  \n\n", "is empty: there are no rows to read"),
    (b"[]", "holds no rows: an empty list or a header alone"),
    (
        b"Hello, how are you?",
        "is not JSON, JSON lines, CSV with a header, Parquet or Arrow: it starts with 'Hello, how are you?'",
    ),
    (b"\x00\x01\x02binary", "is not JSON, JSON lines"),
    (
        b'["a", "b"]',
        "is a list of texts; each row must be an object with fields such as instruction and output",
    ),
    (b"[1, 2]", "is a list of numbers"),
    (b'{"version": 1, "data": [{"foo": "a", "bar": "b"}]}', "among the fields foo, bar"),
    (b'[[{"role": "user", "content": "a"}]]', "each row is a list, not an object"),
    (b'{"version": 1}', "no prompt and response are recognised among the fields version"),
    (
        b'[{"instuction": "a", "outptu": "b"}]',
        "among the fields instuction, outptu. Did you mean 'instruction'?",
    ),
    (b'[{"text": "a"}]', "each row is one finished text"),
    (b'[{"text": "<|im_start|>user"}]', "already templated: it has <|im_start|>"),
    (b'[{"foo": "a"}]', "--map prompt=question,response=answer"),
    (b'[{"prompt": "a", "response": "b"}] trailing', "text after the closing bracket"),
    (b'[{"prompt": "a", "response": "b"', "Is the file complete?"),
    (b"PAR1 but no more", "is not a valid parquet"),
    (b"ARROW1 but no more", "is not a valid arrow file"),
    (b"\x1f\x8bbroken", "is not a valid gzip file"),
    ('[{"prompt": "a", "response": "b"'.encode("utf-16"), "Is the file complete?"),
    (
        '{"prompt": "a", "response": "b"}\n'.encode("utf-16")[:-1],
        "it is not utf-16 throughout: truncated data",
    ),
    (b"prompt,prompt,response\na,b,c\n", "names the column 'prompt' twice"),
    (b"prompt,response\n", "holds no rows"),
    (b'{"prompt": \n{"prompt": \n', "not valid JSON"),
]


@pytest.mark.parametrize(("data", "message"), CASES)
@pytest.mark.parametrize("name", ["pool.json", "pool"])
def test_a_file_that_is_no_pool(tmp_path, data, message, name):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PoolError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_that_hold_nothing(tmp_path):
    (tmp_path / "alpaca_data.json").write_text("[]")
    with pytest.raises(PoolError, match=r"there is no such file or folder. Did you mean 'alpaca_data.json'"):
        read(tmp_path / "alpaca_dat.json")
    with pytest.raises(PoolError, match="no file matches this pattern"):
        read(str(tmp_path / "*.parquet"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(PoolError, match=r"no data file .* it holds notes.txt"):
        read(tmp_path / "empty")
    with pytest.raises(PoolError, match="no file was given"):
        read([])
    with pytest.raises(PoolError, match="is given twice"):
        read([tmp_path / "alpaca_data.json", tmp_path / "alpaca_data.json"])


def test_a_file_one_may_not_read(tmp_path):
    path = tmp_path / "pool.json"
    path.write_text("[]")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user (root) may read every file")
    with pytest.raises(PoolError, match="no permission to read it"):
        read(path)


def test_a_place_that_cannot_be_reached(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PoolError, match="HF_HUB_OFFLINE"):
        read("hf://datasets/owner/name")


def test_a_file_that_changes_under_the_pool(tmp_path, monkeypatch):
    from handpicked.data.files import text

    monkeypatch.setattr(text, "HOLD", 0)
    path = tmp_path / "pool.jsonl"
    path.write_text('{"prompt": "a", "response": "b"}\n' * 3)
    pool = read(path)
    path.write_text('{"prompt": "a", "response": "b"}\n' * 2)
    with pytest.raises(PoolError, match="has changed since it was read: 2 rows where there were 3"):
        list(pool.examples())


def test_prompts_without_a_prompt(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"prompt": "a"}) + "\n" + json.dumps({"promt": "a"}) + "\n")
    with pytest.raises(HandpickedError, match=r"line 2: no prompt is recognised among the fields promt"):
        read_prompts(path, "mine")
