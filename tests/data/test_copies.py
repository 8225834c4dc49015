"""A pool on another host: its files are read from the same path, or fetched again as they were."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from handpicked.data import copies, read, remote
from handpicked.data.files import text
from handpicked.errors import PoolError


@pytest.fixture(autouse=True)
def large(tmp_path, monkeypatch):
    """Rows are read from files, as those of large ones are, and the cache is empty."""
    monkeypatch.setattr(text, "HOLD", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    copies._fetched.cache_clear()


def rows(*texts):
    return "".join(json.dumps({"prompt": "p", "response": one}) + "\n" for one in texts).encode()


def parquet(*texts):
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"prompt": ["p"] * len(texts), "response": list(texts)}), sink)
    return sink.getvalue().to_pybytes()


def elsewhere(pool, monkeypatch, folder: Path):
    """The pool as a host with a cache of its own has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return pickle.loads(pickle.dumps(pool))


def said(pool):
    return [example.response for example in pool.examples()]


@pytest.mark.parametrize(("name", "made"), [("a.jsonl", rows), ("a.parquet", parquet)])
def test_another_host_fetches_the_same_object_once(s3, tmp_path, monkeypatch, name, made):
    s3.put(f"pools/other/{name}", made("aaa", "bbb"))
    pool = elsewhere(read(f"s3://pools/other/{name}"), monkeypatch, tmp_path / "other")
    shutil.rmtree(tmp_path / "cache")
    assert said(pool) == ["aaa", "bbb"]
    assert len(list((tmp_path / "other").rglob(name))) == 1 and not (tmp_path / "cache").exists()
    monkeypatch.setattr(remote, "etag_of", pytest.fail)
    assert said(pool) == ["aaa", "bbb"]


@pytest.mark.parametrize("cached", [False, True])
def test_an_object_that_changed_is_refused_by_both_etags(s3, tmp_path, monkeypatch, cached):
    s3.put("pools/changed/a.jsonl", rows("aaa"))
    pool = read("s3://pools/changed/a.jsonl")
    before = pool.inputs()[0]["etag"]
    there = elsewhere(pool, monkeypatch, tmp_path / "other")
    s3.put("pools/changed/a.jsonl", rows("bbb"))
    if cached:  # that host has the new object already
        now = read("s3://pools/changed/a.jsonl").inputs()[0]["etag"]
    with pytest.raises(PoolError, match="no longer what it was when the pool was read") as told:
        said(there)
    assert f"its etag was {before} and is" in str(told.value) and "\n" not in str(told.value)
    assert not cached or now in str(told.value)


def test_an_object_that_is_gone_is_one_line(s3, tmp_path, monkeypatch):
    s3.put("pools/gone/a.jsonl", rows("aaa"))
    pool = elsewhere(read("s3://pools/gone/a.jsonl"), monkeypatch, tmp_path / "other")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PoolError, match="is not to be had now"):
        said(pool)


def test_another_host_reads_the_data_set_at_the_same_commit(hub, tmp_path, monkeypatch):
    hub.put("me/pool", {"train.jsonl": rows("first")})
    pool = read("me/pool")
    hub.put("me/pool", {"train.jsonl": rows("second")})
    there = elsewhere(pool, monkeypatch, tmp_path / "other")
    shutil.rmtree(pool.files[0].path.parents[3])  # the data set in the hub's own cache
    assert said(there) == ["first"] and said(read("me/pool")) == ["second"]


def test_a_local_file_that_another_host_lacks_is_told_with_what_to_do(tmp_path):
    file = tmp_path / "pool.jsonl"
    file.write_bytes(rows("aaa"))
    pool = pickle.loads(pickle.dumps(read(file)))
    assert said(pool) == ["aaa"], "a disk that hosts share"
    file.unlink()
    with pytest.raises(PoolError, match=r"pool\.jsonl is not there on the host .* all hosts share.*s3://"):
        said(pool)
