"""Pools in an object store, read from a local S3: the etag is kept, and an object
that changed is fetched anew.
"""

from __future__ import annotations

import json

import pytest

from handpicked.data import etag, read, remote
from handpicked.errors import PoolError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def row(text):
    return (json.dumps({"prompt": "p", "response": text}) + "\n").encode()


def said(pool):
    return [example.response for example in pool.examples()]


def test_the_etag_is_recorded_and_an_object_of_the_same_size_that_changed_is_noticed(s3):
    s3.put("pools/one/a.jsonl", row("aaa"))
    first = read("s3://pools/one/a.jsonl")
    s3.put("pools/one/a.jsonl", row("bbb"))
    second = read("s3://pools/one/a.jsonl")
    assert said(first) != said(second) == ["bbb"]
    before, after = first.inputs()[0], second.inputs()[0]
    assert before["path"] == "s3://pools/one/a.jsonl" and before["bytes"] == after["bytes"]
    assert before["etag"] and before["etag"] != after["etag"]


def test_an_object_that_did_not_change_is_fetched_once(s3, monkeypatch):
    s3.put("pools/same/a.jsonl", row("same"))
    assert said(read("s3://pools/same/a.jsonl")) == ["same"]
    monkeypatch.setattr(remote, "_copy", pytest.fail)
    assert said(read("s3://pools/same/a.jsonl")) == ["same"]


def test_an_object_that_changes_while_it_is_read_is_no_pool(s3, monkeypatch):
    s3.put("pools/moving/a.jsonl", row("old"))
    asked = iter(("the first", "another"))
    monkeypatch.setattr(remote, "etag_of", lambda _: next(asked))
    with pytest.raises(PoolError, match="the object changed while it was read; run the same command again"):
        read("s3://pools/moving/a.jsonl")


def test_splits_and_a_card_of_a_folder_are_obeyed(s3):
    for name in ("train", "test"):
        s3.put(f"pools/named/{name}.jsonl", row(name))
    assert said(read("s3://pools/named")) == ["train"]
    assert said(read("s3://pools/named", split="test")) == ["test"]
    card = "---\nconfigs:\n- config_name: default\n  data_files: x/*.jsonl\n---\n"
    s3.put("pools/carded/README.md", card.encode())
    for name in ("x/in", "out"):
        s3.put(f"pools/carded/{name}.jsonl", row(name))
    assert said(read("s3://pools/carded")) == ["x/in"]


def test_what_is_not_there_is_one_line(s3):
    for url in ("s3://pools/none.jsonl", "s3://nobody/none.jsonl"):
        with pytest.raises(PoolError, match="no data file is found there"):
            read(url)


def test_a_store_that_cannot_be_asked_has_no_etag(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert etag.etag_of("s3://pools/one/a.jsonl") is None
