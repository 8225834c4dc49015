"""A subset is written back as it came, or as a trainer asks for it, and never half."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.data import read
from handpicked.errors import PoolError, StoreError

CHAT = [
    {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U1"}, {"role": "assistant", "content": "A1"},
                  {"role": "user", "content": "U2"}, {"role": "assistant", "content": "A2"}], "id": 7},
    {"messages": [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}], "id": None},
    {"messages": [{"role": "user", "content": "bad"}], "id": 9},
    {"messages": [{"role": "user", "content": "é"}, {"role": "assistant", "content": "ü"}], "id": 1},
]  # fmt: skip


@pytest.fixture
def chat(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in CHAT))
    return read(path)


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_original_rows_in_pool_order(chat, tmp_path):
    path = chat.write([0, 3], tmp_path / "out")
    assert path == tmp_path / "out" / "selected.jsonl"
    assert rows_of(path) == [CHAT[0], CHAT[3]]
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["selected.jsonl"]


def test_a_row_that_cannot_be_read_is_not_written_silently_short(chat, tmp_path):
    with pytest.raises(PoolError, match="1 of the 2 rows to write cannot be read"):
        chat.write([1, 2], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_shapes(chat, tmp_path):
    assert rows_of(chat.write([0], tmp_path, "alpaca")) == [
        {"instruction": "U2", "input": "", "output": "A2", "system": "S", "history": [["U1", "A1"]], "id": 7}
    ]
    assert rows_of(chat.write([1], tmp_path, "sharegpt")) == [
        {"conversations": [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}], "id": None}
    ]
    assert rows_of(chat.write([0], tmp_path, "messages")) == [{"messages": CHAT[0]["messages"], "id": 7}]
    assert rows_of(chat.write([0], tmp_path, "trl")) == [
        {"prompt": CHAT[0]["messages"][:4], "completion": CHAT[0]["messages"][4:], "id": 7}
    ]
    with pytest.raises(PoolError, match="Did you mean 'sharegpt'"):
        chat.write([0], tmp_path, "sharegp")


@pytest.mark.parametrize("format", ["original", "alpaca", "sharegpt", "messages", "trl"])
@pytest.mark.parametrize("container", ["jsonl", "parquet", "datasets"])
def test_what_is_written_is_read_again_with_the_same_turns(chat, tmp_path, format, container):
    if container == "datasets":
        pytest.importorskip("datasets")
    written = read(chat.write([0, 1, 3], tmp_path / "out", format, container))
    assert [example.id for example in written.examples()] == [
        example.id for example in chat.examples([0, 1, 3])
    ]


def test_datasets_loads_every_container(chat, tmp_path):
    datasets = pytest.importorskip("datasets")
    for shape in ("original", "messages", "trl", "sharegpt", "alpaca"):
        jsonl = chat.write([0, 1], tmp_path / shape, shape)
        parquet = chat.write([0, 1], tmp_path / shape, shape, "parquet")
        saved = chat.write([0, 1], tmp_path / shape, shape, "datasets")
        cache = str(tmp_path / "cache")
        loaded = [
            datasets.load_dataset("json", data_files=str(jsonl), split="train", cache_dir=cache),
            datasets.load_dataset("parquet", data_files=str(parquet), split="train", cache_dir=cache),
            datasets.load_from_disk(str(saved)),
        ]
        assert [list(table) for table in loaded] == [rows_of(jsonl)] * 3


def test_trl_takes_what_is_written(chat, tmp_path):
    trl = pytest.importorskip("trl")
    (row,) = rows_of(chat.write([0], tmp_path, "trl"))
    assert trl.data_utils.is_conversational(row)
    (messages,) = rows_of(chat.write([0], tmp_path, "messages"))
    assert trl.data_utils.is_conversational(messages)
    (sharegpt,) = rows_of(chat.write([0], tmp_path, "sharegpt"))
    turns = trl.data_utils.maybe_convert_to_chatml(sharegpt)["messages"]
    assert [turn["content"] for turn in turns] == [turn["content"] for turn in CHAT[0]["messages"]]


def test_parquet_stays_parquet(tmp_path):
    table = pa.table(
        {"prompt": ["a", "b", "c"], "response": ["x", "", "z"], "n": pa.array([1, 2, 3], pa.int8())}
    )
    table = table.replace_schema_metadata({"licence": "CC0"})
    pq.write_table(table, tmp_path / "pool.parquet", row_group_size=1)
    pool = read(tmp_path / "pool.parquet")
    path = pool.write([0, 2], tmp_path / "out")
    assert path.name == "selected.parquet"
    assert pq.read_table(path).equals(table.take([0, 2]))
    assert pq.read_schema(path).metadata[b"licence"] == b"CC0"
    assert pq.read_table(pool.write([], tmp_path / "none")).num_rows == 0


def test_files_of_different_columns_can_be_written_as_one(tmp_path):
    pq.write_table(pa.table({"prompt": ["a"], "response": ["b"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"prompt": ["c"], "response": ["d"], "tag": ["t"]}), tmp_path / "2.parquet")
    pool = read([tmp_path / "1.parquet", tmp_path / "2.parquet"])
    assert pq.read_table(pool.write([0, 1], tmp_path / "out")).to_pylist() == [
        {"prompt": "a", "response": "b", "tag": None},
        {"prompt": "c", "response": "d", "tag": "t"},
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
TEXT = st.text(st.characters(codec=None), min_size=1).filter(lambda text: bool(text.strip()))
ROWS = st.lists(
    st.dictionaries(st.text(max_size=5), VALUES, max_size=3).flatmap(
        lambda extra: st.fixed_dictionaries({"prompt": TEXT, "response": TEXT}).map(lambda row: {**extra, **row})
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, data=st.data())
def test_any_json_survives_the_round_trip(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("trip")
    path = folder / "pool.json"
    plain = json.dumps(rows, ensure_ascii=False)
    escaped = data.draw(st.booleans()) or any("\ud800" <= letter <= "\udfff" for letter in plain)
    path.write_text(
        json.dumps(rows) if escaped else plain, "utf-8"
    )  # only an escape can spell a lone surrogate
    pool = read(path, format="prompt-response")
    readable = [example.row for example in pool.examples()]
    assert len(readable) + sum(1 for _ in pool.rejected()) == pool.rows == len(rows)
    chosen = [row for row in readable if data.draw(st.booleans())]
    written = pool.write(chosen, folder / "out")
    assert rows_of_lines(written) == [rows[row] for row in chosen]


def rows_of_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def test_a_folder_that_is_a_file(chat, tmp_path):
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(StoreError, match=r"out"):
        chat.write([0], tmp_path / "out")


def test_a_read_only_folder(chat, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user (root) may write everywhere")
    with pytest.raises(StoreError, match="may not write"):
        chat.write([0], folder)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from handpicked.data import read
from handpicked.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
pool = read(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    pool.write(range(pool.rows), Path(sys.argv[2]), "original", sys.argv[3])
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, container):
    """A file-size limit stands in for the full disk: the kernel refuses the write in the middle, for real."""
    assert resource.RLIMIT_FSIZE is not None
    path, out = tmp_path / "pool.jsonl", tmp_path / "out"
    noise = [os.urandom(200).hex() for _ in range(500)]
    path.write_text("\n".join(json.dumps({"prompt": "a", "response": text}) for text in noise))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(out), container],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Cannot write to" in done.stdout
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("container", ["parquet", "datasets"])
def test_a_field_of_empty_objects_is_a_column_of_nulls(tmp_path, container):
    """Parquet has no type for them, and ``"metadata": {}`` is common."""
    if container == "datasets":
        pytest.importorskip("datasets")
    row = {"prompt": "p", "response": "r", "metadata": {}}
    (tmp_path / "pool.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    path = read(tmp_path / "pool.jsonl").write([0, 1], tmp_path / "out", container=container)
    again = read(path)
    assert [example.original["metadata"] for example in again.examples()] == [None, None]
    assert [example.response for example in again.examples()] == ["r", "r"]


def test_empty_objects_inside_others_are_refused_in_words(tmp_path):
    row = {"prompt": "p", "response": "r", "metadata": {"more": {}}}
    (tmp_path / "pool.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(PoolError, match=r"Parquet cannot hold these rows .*write jsonl"):
        read(tmp_path / "pool.jsonl").write([0], tmp_path / "out", container="parquet")
    assert list((tmp_path / "out").iterdir()) == []
