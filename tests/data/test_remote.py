"""URLs go through Daft. ``file://`` takes the same path through it as ``s3://`` and ``hf://`` do."""

from __future__ import annotations

import json

import pytest

from handpicked.data import read
from handpicked.errors import PoolError


def test_a_url_is_listed_fetched_once_and_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "deep").mkdir()
    (folder / "deep" / "c.jsonl").write_text(json.dumps({"prompt": "c", "response": "ccc"}) + "\n")
    for name in "ba":
        (folder / f"{name}.jsonl").write_text(json.dumps({"prompt": name, "response": name * 3}) + "\n")
    (folder / "README.md").write_text("words")
    assert [example.response for example in read(f"file://{folder}/*.jsonl").examples()] == ["aaa", "bbb"]
    assert [example.response for example in read(f"file://{folder}").examples()] == ["aaa", "bbb", "ccc"]
    (copy,) = (tmp_path / "cache").rglob("a.jsonl")
    before = copy.stat().st_mtime_ns
    assert read(f"file://{folder}/a.jsonl").rows == 1
    assert copy.stat().st_mtime_ns == before


def test_a_url_where_nothing_is(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(PoolError, match=r"nothing\.jsonl: no data file is found there"):
        read(f"file://{tmp_path}/nothing.jsonl")
