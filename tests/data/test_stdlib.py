"""The pool that every machine has."""

from __future__ import annotations

import inspect
import json
import textwrap

from handpicked.data import read
from handpicked.data.stdlib import write_pool


def test_the_pool_of_the_standard_library(tmp_path):
    path = write_pool(tmp_path / "new" / "pool.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) > 3000
    assert len({row["output"].split("\n\n", 1)[-1] for row in rows}) > 0.97 * len(rows)
    assert len({row["instruction"] for row in rows}) == len(rows)
    lengths = sorted(len(row["output"]) for row in rows)
    assert lengths[0] < 40 < 1000 < lengths[-1]
    assert path.read_bytes() == write_pool(tmp_path / "again.jsonl").read_bytes()
    (wrap,) = [row for row in rows if "`textwrap.wrap`" in row["instruction"]]
    assert wrap["output"] == f"wrap{inspect.signature(textwrap.wrap)}\n\n{inspect.getdoc(textwrap.wrap)}"
    assert wrap["source"] == "textwrap"


def test_it_is_a_pool_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pool = read("python-stdlib")
    assert (pool.format, list(pool.rejected())) == ("alpaca", [])
    assert read("python-stdlib").inputs() == read(["python-stdlib"]).inputs() == pool.inputs()
    (example,) = pool.examples([0])
    assert example.source == "abc"
