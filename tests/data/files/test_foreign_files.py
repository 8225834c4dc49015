"""Files that are no pool say what they are, and what to do."""

from __future__ import annotations

import pickle
import sqlite3

import pytest

from handpicked.data import read
from handpicked.errors import PoolError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614\nsize 12345\n"


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.parquet", "pool.csv", "pool"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (POINTER, "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "is a web page"),
        (b"\xef\xbb\xbf\n<html>", "is a web page"),
        (pickle.dumps([{"prompt": "q", "response": "a"}]), "is a pickle"),
        (b"%PDF-1.4\n%\xe2\xe3", "is a PDF"),
        (b"\x93NUMPY\x01\x00v\x00", "is a NumPy array"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Save its sheet as CSV"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "is a 7z archive"),
        (b"Rar!\x1a\x07\x01\x00", "is a RAR archive"),
        (b"ORC\x00\x01", "is an ORC file"),
        (b"\x00" * 8 + b"DUCK" + b"\x00" * 9, "is a DuckDB database"),
        (b"GGUF\x03\x00\x00\x00", "is a model"),
        (b'@\x00\x00\x00\x00\x00\x00\x00{"w":{}}', "weights of a model"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is XML"),
        (b"```json\n[]\n```\n", "fenced as Markdown"),
        (b"404: Not Found", "no such file"),
        (b"Invalid username or password.", "wanted a login"),
        (b"| instruction | output |\n|---|---|\n| q | a |\n", "a table in Markdown"),
    ],
)
def test_the_kind_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PoolError, match=says):
        read(tmp_path / name)


def test_a_database_says_how_a_table_becomes_a_csv(tmp_path):
    with sqlite3.connect(tmp_path / "pool.db") as database:
        database.execute("create table rows(prompt, response)")
    with pytest.raises(PoolError, match="sqlite3 -header -csv"):
        read(tmp_path / "pool.db")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{'prompt': 'q', 'response': 'a'}", r"json\.dumps"),
        ('{"prompt": "q", "response": "a"}; {"prompt": "q", "response": "b"}', "Extra data"),
    ],
)
def test_rows_that_are_almost_json_lines_say_how_they_become_it(tmp_path, line, says):
    (tmp_path / "pool.jsonl").write_text(f"{line}\n" * 3)
    with pytest.raises(PoolError, match=says):
        read(tmp_path / "pool.jsonl")


def test_a_header_that_begins_like_a_kind_is_a_header(tmp_path):
    (tmp_path / "pool.csv").write_text("html,prompt,response\nx,q,a\n")
    assert [example.response for example in read(tmp_path / "pool.csv").examples()] == ["a"]
