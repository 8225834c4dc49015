"""Pools that are Python objects: the same rows, ids and rejected rows as from a file."""

from __future__ import annotations

import datetime
import decimal
import gc
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handpicked as hp
from handpicked.data.objects import as_file
from handpicked.errors import PoolError

ROWS = [
    {
        "instruction": f"Say it {n} times.",
        "input": "loudly" if n % 4 == 0 else "",
        "output": None if n % 10 == 3 else "word " * (n % 17 + 1),
        "n": n,
        "tags": ["a", str(n)],
    }
    for n in range(60)
]
CHATS = [
    {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "ja " * n}]}
    for n in range(20)
]


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """A temporary folder of the test's own, so that what is left behind shows."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def pandas_of(rows):
    return pytest.importorskip("pandas").DataFrame(rows)


def polars_of(rows):
    return pytest.importorskip("polars").DataFrame(rows)


def dataset_of(rows):
    return pytest.importorskip("datasets").Dataset.from_list(rows)


def mixed_of(rows):
    """A DataFrame with numbers and texts in one column, which no Arrow type has."""
    frame = pandas_of(rows)
    return frame.assign(mixed=[n if n % 2 else str(n) for n in range(len(rows))])


def shuffled_of(rows):
    """A Dataset in another order, put back: its rows are not in the order of its table."""
    order = list(range(len(rows)))[::-1]
    return dataset_of([rows[n] for n in order]).select(order)


KINDS = {
    "list": list,
    "tuple": tuple,
    "generator": lambda rows: (row for row in rows),
    "dictionary of columns": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    "pandas": pandas_of,
    "pandas with mixed types": mixed_of,
    "polars": polars_of,
    "polars LazyFrame": lambda rows: polars_of(rows).lazy(),
    "Arrow table": pa.Table.from_pylist,
    "Arrow reader": lambda rows: pa.Table.from_pylist(rows).to_reader(max_chunksize=7),
    "Dataset": dataset_of,
    "shuffled Dataset": shuffled_of,
    "IterableDataset": lambda rows: dataset_of(rows).to_iterable_dataset(),
}


def contents(pool):
    return (
        [(one.row, one.id, one.prompt, one.response) for one in pool.examples()],
        [(one.row, one.reason) for one in pool.rejected()],
        pool.rows,
        pool.format,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [ROWS, CHATS], ids=["alpaca", "messages"])
def test_an_object_gives_what_its_file_gives(tmp_path, kind, rows):
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert contents(hp.read(KINDS[kind](rows))) == contents(hp.read(file))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_are_selected(tmp_path, kind):
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for by in ("longest", "random", {"window": {"low": 0.3}}):
        of_file = hp.select(file, by, size=7, seed=3, guards=["duplicates"])
        of_object = hp.select(KINDS[kind](ROWS), by, size=7, seed=3, guards=["duplicates"])
        assert of_object.rows.tolist() == of_file.rows.tolist()
        assert of_object.scores["reason"].to_pylist() == [
            reason and reason.replace(str(file), "x") for reason in of_file.scores["reason"].to_pylist()
        ]


TEXTS = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["output", "x"]), VALUES, max_size=2), max_size=6))
def test_any_rows_in_a_list_are_read_as_from_a_json_file(tmp_path, rows):
    rows = [{"instruction": "Say.", "output": "said"}, *rows]
    file = tmp_path / "any.jsonl"
    file.write_text("".join(json.dumps(_as_json(row)) + "\n" for row in rows), encoding="utf-8")
    listed, read = hp.read(rows), hp.read(file)
    assert contents(listed) == contents(read)
    assert [one.original for one in listed.examples()] == [one.original for one in read.examples()]


def _as_json(value):
    if isinstance(value, dict):
        return {key: _as_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def test_the_temporary_file_goes_with_the_pool(scratch):
    pool = hp.read(ROWS)
    assert list(scratch.glob("*/rows.jsonl"))
    del pool
    gc.collect()
    assert not list(scratch.iterdir())


def test_the_temporary_file_goes_with_the_process(tmp_path):
    code = "import handpicked as hp; pool = hp.read([{'prompt': 'a', 'response': 'b'}]); print(pool.rows)"
    folder = tmp_path / "other"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"TMPDIR": str(folder)} | _path()
    )
    assert done.stdout == "1\n", done.stderr
    assert not list(folder.iterdir())


def _path():
    import os

    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def test_a_generator_that_fails_says_after_how_many_rows_and_leaves_nothing(scratch):
    def rows():
        yield from ROWS[:7]
        raise KeyError("output")

    with pytest.raises(PoolError, match=r"the iterable failed after 7 rows: KeyError: 'output'") as caught:
        hp.read(rows())
    assert isinstance(caught.value.__cause__, KeyError)
    assert not list(scratch.iterdir())


def test_an_arrow_reader_that_fails_says_after_how_many_rows(scratch):
    schema = pa.schema([("prompt", pa.string()), ("response", pa.string())])

    def batches():
        yield pa.RecordBatch.from_pydict({"prompt": ["a", "b"], "response": ["c", "d"]}, schema)
        raise OSError("connection lost")

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(
        PoolError, match=r"the Arrow stream failed after 2 rows: OSError: .*connection lost\. A pool"
    ):
        hp.read(reader)
    assert not list(scratch.iterdir())


def test_ctrl_c_leaves_nothing(scratch):
    def rows():
        yield from ROWS[:7]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hp.read(rows())
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("kind", ["pandas", "polars", "Arrow table", "Dataset", "list", "generator"])
def test_missing_fields_are_told_as_from_a_file_with_the_columns(tmp_path, kind, scratch):
    rows = [{"ask": "a", "reply": "b"}] * 3
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(PoolError) as of_file:
        hp.read(file)
    with pytest.raises(PoolError) as of_object:
        hp.read(KINDS[kind](rows))
    assert "the fields ask, reply" in str(of_object.value)
    assert str(of_object.value).split(": ", 1)[1] == str(of_file.value).split(": ", 1)[1]
    assert str(scratch) not in str(of_object.value)
    pool = hp.read(KINDS[kind](rows), map={"prompt": "ask", "response": "reply"})
    assert [one.response for one in pool.examples()] == ["b"] * 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "no file was given"),
        (iter([]), "the iterable is empty"),
        (5, "an object of type int holds no rows"),
        (b"a.json", "an object of type bytes holds no rows"),
        (None, "an object of type NoneType holds no rows"),
        ([1, 2], "a list of numbers"),
        ([["a", "b"]], r"the list: each row is a list.*\{\"messages\": turns\} for turns in rows"),
        (pa.chunked_array([["a"]]), "the Arrow stream is not a table of rows with columns"),
        (
            [{"prompt": "a", "response": object()}],
            r"the list, row 1: a value of type object is none that JSON has; no file",
        ),
    ],
)
def test_what_is_no_pool_is_told_in_a_sentence(data, says, scratch):
    with pytest.raises(PoolError, match=says):
        hp.read(data)
    assert not list(scratch.iterdir())


def test_a_row_that_contains_itself_is_reported():
    row = {"prompt": "a", "response": "b"}
    row["self"] = row
    with pytest.raises(PoolError, match=r"row 2: .*no file can hold it"):
        hp.read([{"prompt": "a", "response": "b"}, row])


def test_a_row_that_is_no_dictionary_is_rejected_and_counted():
    pool = hp.read([*ROWS[:3], "a text", 7, None])
    assert [(one.row, one.place, one.file) for one in pool.rejected()] == [
        (row, f"row {row + 1}", "the list") for row in (3, 4, 5)
    ]
    assert len(list(pool.examples())) == 3


def test_values_of_numpy_and_dates_become_what_json_has():
    numpy_row = {
        "prompt": "a", "response": "b", "i": np.int64(5), "f": np.float32(0.5), "nan": np.float64("nan"),
        "array": np.array([1.0, np.nan]), "when": datetime.date(2024, 1, 2), "price": decimal.Decimal("1.50"),
        "bytes": b"text",
    }  # fmt: skip
    (one,) = hp.read([numpy_row]).examples()
    assert one.original == {
        "prompt": "a", "response": "b", "i": 5, "f": 0.5, "nan": None, "array": [1.0, None],
        "when": "2024-01-02", "price": "1.50", "bytes": "text",
    }  # fmt: skip


def test_missing_values_of_pandas_are_no_value():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"prompt": ["a", "b", "c"], "response": ["x", None, pandas.NA], "mixed": [1, "two", pandas.NaT]}
    )
    pool = hp.read(frame)
    assert [one.original["mixed"] for one in pool.examples()] == [1]
    assert [one.reason for one in pool.rejected()] == ["field 'response' is null"] * 2
    rows = [{"prompt": "a", "response": "b", "x": pandas.NA, "y": pandas.NaT}]
    assert next(iter(hp.read(rows).examples())).original == {
        "prompt": "a", "response": "b", "x": None, "y": None
    }  # fmt: skip


def test_a_data_frame_with_two_columns_of_one_name_is_refused():
    frame = pandas_of(ROWS)
    frame.columns = ["instruction", "input", "output", "n", "n"]
    with pytest.raises(PoolError, match="the pandas DataFrame cannot be read: Duplicate column names"):
        hp.read(frame)


def test_an_index_with_a_name_is_a_column_and_one_without_is_none():
    frame = pandas_of(ROWS)
    named, unnamed = frame.set_index("instruction"), frame.set_index(frame["n"].to_numpy() + 100)
    pool = hp.read(named)
    assert next(pool.examples()).prompt == "Say it 0 times.\n\nloudly"
    assert hp.select(named, "longest", size=2).to_pandas().equals(named.iloc[[16, 50]])
    assert set(next(hp.read(unnamed).examples()).original) == set(ROWS[0])
    assert hp.select(unnamed, "longest", size=2).to_pandas().index.tolist() == [116, 150]


def test_a_changed_data_frame_changes_no_selection():
    frame = pandas_of(ROWS)
    subset = hp.select(frame, "longest", size=2)
    frame["output"] = "changed"
    del frame["n"]
    assert subset.to_pandas()["n"].tolist() == [16, 50] and "changed" not in set(subset.to_pandas()["output"])


def test_a_dataset_dict_gives_its_train_split_or_the_named_one():
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict(train=dataset_of(ROWS), test=dataset_of(ROWS[:5]))
    assert hp.read(both).rows == 60 and hp.read(both, split="test").rows == 5
    assert hp.read(datasets.DatasetDict(only=dataset_of(ROWS))).rows == 60
    with pytest.raises(PoolError, match="no split 'dev'; it has train, test"):
        hp.read(both, split="dev")
    with pytest.raises(PoolError, match="has the splits a, b; name one"):
        hp.read(datasets.DatasetDict(a=both["train"], b=both["test"]))
    with pytest.raises(PoolError, match="'test' is a part of a DatasetDict, and an object of type list"):
        hp.read(ROWS, split="test")
    with pytest.raises(PoolError, match="has no split 'test'"):
        hp.read("pool.json", split="test")


def test_a_dataset_that_was_filtered_and_shuffled_is_read_as_it_is_now():
    dataset = dataset_of(ROWS).filter(lambda row: row["n"] >= 30 and row["output"]).shuffle(seed=1)
    pool = hp.read(dataset)
    assert [one.original["n"] for one in pool.examples()] == dataset["n"]


def test_a_pool_is_given_back_and_paths_stay_paths(tmp_path):
    pool = hp.read(ROWS)
    assert hp.read(pool) is pool
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        file.write_text(json.dumps(ROWS[0]) + "\n")
    assert hp.read(files).rows == 2 and hp.read([str(file) for file in files]).rows == 2
    assert hp.read(str(files[0])).rows == 1
    with pytest.raises(PoolError, match="there is no such file"):
        hp.read("nothing.json")


def test_an_arrow_table_of_one_chunk_is_read_in_several_parts():
    long = pa.array(["x" * 1000] * 80_000)
    pool = hp.read(pa.table({"prompt": long, "response": long}))
    assert pool.rows == 80_000 and len(pool.shards) > 1


def test_columns_of_few_values_whose_lists_differ_from_batch_to_batch():
    schema = pa.schema([("prompt", pa.string()), ("response", pa.dictionary(pa.int8(), pa.string()))])
    batches = [
        pa.record_batch(
            [pa.array(["a", "b"]), pa.array(two).dictionary_encode().cast(schema[1].type)], schema
        )
        for two in (["x", "y"], ["z", "x"])
    ]
    pool = hp.read(pa.RecordBatchReader.from_batches(schema, batches))
    assert [one.response for one in pool.examples()] == ["x", "y", "z", "x"]


def test_the_manifest_names_the_object_and_its_content(tmp_path):
    hp.select(ROWS, "longest", size=2).write(tmp_path / "out")
    (said,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["pool"]["inputs"]
    assert said["path"] == "the list" and said["rows"] == 60 and len(said["sha256"]) == 64


def test_a_full_disk_is_told_and_nothing_stays(monkeypatch, scratch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("handpicked.data.objects.write_json_rows", full)
    with pytest.raises(hp.StoreError, match="no space is left"):
        hp.read(ROWS)
    assert not list(scratch.iterdir())


def test_as_file_gives_a_path_as_it_is_and_an_object_for_a_while(tmp_path, scratch):
    with as_file(tmp_path / "x.json", "x") as file:
        assert file == tmp_path / "x.json"
    with as_file(pa.Table.from_pylist(ROWS), "the answers") as file:
        assert pa.ipc.open_file(file).read_all().num_rows == 60
    assert not list(scratch.iterdir())


def test_no_library_is_imported_to_recognise_an_object():
    code = (
        "import sys, handpicked as hp; print(hp.read([{'prompt': 'a', 'response': 'b'}]).rows); "
        "print([one for one in ('pandas', 'polars', 'datasets', 'torch') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n[]\n", done.stderr


def test_a_parquet_file_and_its_table_write_the_same_subset(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, tmp_path / "pool.parquet")
    hp.select(tmp_path / "pool.parquet", "longest", size=5).write(tmp_path / "file")
    hp.select(table, "longest", size=5).write(tmp_path / "object")
    of_file, of_object = (pq.read_table(tmp_path / name / "selected.parquet") for name in ("file", "object"))
    assert of_object.equals(of_file)
    assert Path(tmp_path / "object" / "scores.parquet").is_file()


def test_an_arrow_file_of_polars_categories_is_read(tmp_path):
    """Their values are views, from which Arrow itself cannot take."""
    values = pa.array(["short", "long"]).cast(pa.string_view())
    kinds = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.uint32()), values)
    texts = pa.array(["a", "b", "c"])
    table = pa.table({"prompt": texts, "response": texts, "kind": kinds})
    with pa.ipc.new_file(tmp_path / "pool.arrow", table.schema) as writer:
        writer.write_table(table)
    for data in (tmp_path / "pool.arrow", table):
        assert [one.original["kind"] for one in hp.read(data).examples()] == ["short", "long", "short"]
