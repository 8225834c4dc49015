"""Rows that may win are put aside while the pool is scored: what comes of them is what
reading them again would give.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.data import read
from handpicked.data.files.columnar import ColumnarShard
from handpicked.selection import select
from handpicked.selection.top_rows import TopRows
from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top


def offered(top_rows, keys, cuts, order):
    """Offer rows with these keys (None: no value) in batches that end at ``cuts``, in a shuffled order."""
    ends = sorted({*cuts, len(keys)} - {0})
    batches = list(pairwise([0, *ends]))
    random.Random(order).shuffle(batches)
    for begin, end in batches:
        # As in a shard: a row in three cannot be read, and has no score.
        rows = [row for row in range(begin, end) if row % 3 != 2]
        top_rows.offer(
            scores(rows, [keys[row] for row in rows]),
            begin,
            texts(f"text {row}" for row in range(begin, end)),
        )


def scores(rows, keys):
    return pa.record_batch({"row": pa.array(rows, pa.int64()), "key": pa.array(keys, pa.float64())})


def texts(values):
    return pa.record_batch({"text": list(values)})


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
    st.integers(0, 99),
    st.integers(0, 12),
    st.booleans(),
)
def test_the_winners_are_put_aside_whatever_the_batches_and_ties(keys, cuts, order, size, highest):
    valued = [row for row, key in enumerate(keys) if key is not None and row % 3 != 2]
    with tempfile.TemporaryDirectory() as folder:
        top_rows = TopRows("key", highest, size, Path(folder) / "aside.arrow")
        offered(top_rows, keys, [min(cut, len(keys)) for cut in cuts], order)
        for tie in (1, -1):  # of rows with equal keys the first win, or the last
            best = sorted(valued, key=lambda row: (-keys[row] if highest else keys[row], tie * row))[:size]
            tables = top_rows.tables(sorted(best))
            if best:
                assert pa.concat_tables(tables)["text"].to_pylist() == [f"text {row}" for row in sorted(best)]


def test_a_row_that_is_not_there_is_reported(tmp_path):
    top_rows = TopRows("key", True, 2, tmp_path / "aside.arrow")
    offered(top_rows, list(range(100)), range(10, 100, 10), 0)
    assert top_rows.tables([1, 99]) is None


def test_what_is_known_follows_the_size_and_not_the_pool(tmp_path):
    top_rows = TopRows("key", True, 10, tmp_path / "aside.arrow")
    draw = random.Random(0)
    most = 0
    for begin in range(0, 100_000, 100):
        keys = [draw.random() for _ in range(100)]
        top_rows.offer(scores(range(begin, begin + 100), keys), begin, texts(["x"] * 100))
        most = max(most, sum(len(part.rows) for part in top_rows._parts))
    assert 10 <= most <= 12
    # The harmonic sum says 10 (1 + ln 10,000) rows, were each offered alone; none that cannot win is written.
    top_rows.close()
    with pa.ipc.open_file(tmp_path / "aside.arrow") as reader:
        assert reader.read_all().num_rows < 400


def test_too_many_bytes_are_not_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("handpicked.selection.top_rows.MOST", 10_000)
    top_rows = TopRows("key", True, 1000, tmp_path / "aside.arrow")
    for begin in range(0, 400, 100):
        top_rows.offer(scores(range(begin, begin + 100), [1.0] * 100), begin, texts(["x" * 50] * 100))
    assert top_rows.tables(range(400)) is None
    assert not (tmp_path / "aside.arrow").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_disk_that_refuses_is_reported(tmp_path):
    (tmp_path / "aside.arrow").symlink_to("/dev/full")
    top_rows = TopRows("key", True, 5, tmp_path / "aside.arrow")
    for begin in range(0, 40, 10):
        top_rows.offer(scores(range(begin, begin + 10), [1.0] * 10), begin, texts(["x" * 50] * 10))
    assert top_rows.tables(range(5)) is None


@pytest.mark.parametrize(
    "other",
    [
        {"text": [1] * 10},  # files of one pool may differ
        {"text": pa.array(["b"] * 10).dictionary_encode()},
    ],
)
def test_rows_of_another_schema_are_reported(tmp_path, other):
    top_rows = TopRows("key", True, 20, tmp_path / "aside.arrow")
    top_rows.offer(scores(range(10), [1.0] * 10), 0, texts(["a"] * 10))
    top_rows.offer(scores(range(10, 20), [1.0] * 10), 10, pa.record_batch(other))
    assert top_rows.tables(range(20)) is None


def test_words_of_a_dictionary_that_grows_come_back_or_are_reported(tmp_path):
    top_rows = TopRows("key", True, 20, tmp_path / "aside.arrow")
    words = [["a", "b"] * 5, ["c", "a"] * 5]
    for begin, part in zip((0, 10), words, strict=True):
        batch = pa.record_batch({"text": pa.array(part).dictionary_encode()})
        top_rows.offer(scores(range(begin, begin + 10), [1.0] * 10), begin, batch)
    tables = top_rows.tables(range(20))
    if tables is not None:
        read = pa.concat_tables(tables)["text"].cast(pa.string())
        assert read.to_pylist() == words[0] + words[1]


@pytest.fixture
def parquet(tmp_path):
    draw = random.Random(1)
    texts = [" ".join(["word"] * draw.randint(1, 40)) for _ in range(3000)]
    texts[7] = ""  # cannot be read
    table = pa.table(
        {
            "prompt": [f"Question {row}" for row in range(3000)],
            "response": texts,
            "score": np.arange(3000) % 7.0,
        }
    )
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=200)
    pq.write_table(table.select(["prompt", "response"]), tmp_path / "texts.parquet", row_group_size=200)
    return tmp_path


def written(pool, selector, size, out):
    select(read(pool), selector, size=size).write(out)
    return {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("selected.parquet", "scores.parquet")
    }


@pytest.mark.parametrize("selector", [Longest(), Shortest("words"), Top("chars"), Bottom("chars")])
def test_the_pool_is_read_once_and_the_bytes_are_those_of_reading_it_twice(parquet, monkeypatch, selector):
    monkeypatch.setattr("handpicked.data.files.columnar.SHARD", 1 << 10)
    with monkeypatch.context() as patch:
        patch.setattr("handpicked.selection.top_rows.MOST", -1)
        twice = written(parquet / "texts.parquet", selector, 500, parquet / "twice")
    again = []
    taken = ColumnarShard.taken

    def noted(shard, rows):
        again.append(shard.found.path.name)
        return taken(shard, rows)

    monkeypatch.setattr(ColumnarShard, "taken", noted)
    assert written(parquet / "texts.parquet", selector, 500, parquet / "once") == twice
    assert set(again) <= {"selected.parquet"}  # which the audit looks at


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("all.parquet", {}),  # a column that scoring does not read
        ("texts.parquet", {"guards": ["duplicates"]}),
    ],
)
def test_where_rows_cannot_be_put_aside_they_are_read(parquet, file, settings):
    pool = read(parquet / file)
    select(pool, Longest(), size=20, **settings).write(parquet / "out")
    assert len(read(parquet / "out" / "selected.parquet").shards) == 1
    originals = pq.read_table(parquet / file).to_pylist()
    for row in pq.read_table(parquet / "out" / "selected.parquet").to_pylist():
        assert row in originals
