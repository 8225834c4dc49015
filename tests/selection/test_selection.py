"""A Selection from Python: its rows, tables, reasons, and the kept rows in every form."""

from __future__ import annotations

import gc
import json
import re
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import handpicked as hp
from handpicked.selection import notebook
from memory_pool import MemoryPool

ROWS = [
    {
        "instruction": f"Say <b>{n}</b>.",
        "input": "",
        "output": None if n == 7 else "word " * (n + 1),
        "n": n,
        "tags": ["a", str(n)],
    }
    for n in range(40)
]
KEPT = [35, 36, 37, 38, 39]


@pytest.fixture
def subset():
    return hp.select(ROWS, "longest", size=5)


def pandas_of(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows)
    frame["kind"] = pandas.Categorical(["x", "y"] * 20)
    frame["when"] = pandas.date_range("2024-01-01", periods=40, tz="Europe/Paris")
    frame["count"] = pandas.array([None, *range(39)], dtype="Int64")
    frame.index = [f"name {n}" for n in range(40)]
    return frame


def test_its_length_rows_and_examples(subset):
    assert len(subset) == 5 and subset.rows.tolist() == KEPT
    assert [one.row for one in subset] == KEPT
    assert [one.original["n"] for one in subset] == KEPT
    assert repr(subset) == "<Selection of 5 of 40 rows by longest: 34 dropped, 1 rejected>"


def test_scores_kept_dropped_and_rejected_hold_every_row_once(subset):
    assert subset.scores.column_names == ["row", "id", "tokens", "kept", "reason"]
    assert subset.scores["row"].to_pylist() == list(range(40))
    assert subset.kept["row"].to_pylist() == KEPT and subset.kept.column_names == ["row", "id", "tokens"]
    assert len(subset.kept) + len(subset.dropped) + len(subset.rejected) == 40
    assert set(subset.dropped["reason"].to_pylist()) == {"not among the 5 longest"}
    assert [one.row for one in subset.rejected] == [7]
    assert subset.scores["reason"][7].as_py() == "rejected: field 'output' is null"
    assert subset.scores["id"][7].as_py() is None
    assert subset.kept["id"].to_pylist() == [one.id for one in subset]


def test_a_list_gives_its_own_dictionaries_back(subset):
    assert all(given is ROWS[row] for given, row in zip(subset.to_list(), KEPT, strict=True))


def test_pandas_comes_back_with_its_index_columns_and_types():
    frame = pandas_of(ROWS)
    kept = hp.select(frame, "longest", size=5).to_pandas()
    assert kept.equals(frame.iloc[KEPT]) and kept.dtypes.equals(frame.dtypes)
    assert kept.index.tolist() == [f"name {n}" for n in KEPT]


def test_polars_comes_back_with_its_types():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS).with_columns(kind=polars.col("input").cast(polars.Categorical))
    for data in (frame, frame.lazy()):
        kept = hp.select(data, "longest", size=5).to_polars()
        assert kept.equals(frame[KEPT]) and kept.schema == frame.schema


def test_a_dataset_comes_back_with_its_features():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "prompt": datasets.Value("string"),
            "response": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["bad", "good"]),
        }
    )
    rows = [{"prompt": "a", "response": "w " * n, "label": n % 2} for n in range(1, 20)]
    dataset = datasets.Dataset.from_list(rows, features=features)
    kept = hp.select(hp.read(dataset, format="prompt-response"), "longest", size=3).to_dataset()
    assert kept.features == dataset.features and kept["response"] == dataset["response"][-3:]


def test_an_arrow_table_and_a_reader_come_back_with_their_types():
    table = pa.Table.from_pylist(ROWS).append_column("kind", pa.array(["x", "y"] * 20).dictionary_encode())
    for data in (table, table.to_reader(max_chunksize=9)):
        kept = hp.select(data, "longest", size=5).to_arrow()
        assert kept.schema.equals(table.schema) and kept.to_pylist() == table.take(KEPT).to_pylist()


@pytest.mark.parametrize("form", ["list", "pandas", "table", "generator", "json file", "parquet file"])
def test_every_form_holds_the_same_rows(tmp_path, form):
    pytest.importorskip("pandas")
    data = {
        "list": lambda: ROWS,
        "pandas": lambda: __import__("pandas").DataFrame(ROWS),
        "table": lambda: pa.Table.from_pylist(ROWS),
        "generator": lambda: iter(ROWS),
        "json file": lambda: _json(tmp_path / "pool.json"),
        "parquet file": lambda: _parquet(tmp_path / "pool.parquet"),
    }[form]()
    subset = hp.select(data, "longest", size=5)
    expected = [ROWS[row] for row in KEPT]
    assert subset.to_list() == expected
    assert subset.to_arrow().to_pylist() == expected
    frame = subset.to_pandas()
    assert list(frame.columns) == list(ROWS[0]) and frame["n"].tolist() == KEPT
    assert [list(one) for one in frame["tags"]] == [row["tags"] for row in expected]
    if pytest.importorskip("datasets"):
        assert subset.to_dataset().to_list() == expected


def _json(file):
    file.write_text(json.dumps(ROWS))
    return file


def _parquet(file):
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file


def test_rows_that_differ_in_their_fields_keep_them_all():
    rows = [{"prompt": "a", "response": "b"}, {"prompt": "a", "response": "bb", "x": 1}]
    subset = hp.select(iter(rows), "full")
    assert subset.to_list() == rows
    assert subset.to_arrow().to_pylist() == [rows[0] | {"x": None}, rows[1]]


def test_rows_that_fit_no_table_are_reported_and_stay_in_the_list():
    rows = [{"prompt": "a", "response": "b", "x": value} for value in (1, "two", [3])]
    subset = hp.select(rows, "full")
    assert subset.to_list() == rows and len(subset.to_pandas()) == 3
    with pytest.raises(hp.PoolError, match=r"do not fit one Parquet schema .* to_list\(\) has them"):
        subset.to_arrow()


def test_a_library_that_is_missing_is_named(subset, monkeypatch):
    import sys

    for name in ("pandas", "polars", "datasets"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(hp.MissingPart, match=f"need {name}: pip install {name}"):
            getattr(subset, f"to_{'dataset' if name == 'datasets' else name}")()


def test_a_selection_is_a_pool_for_the_next_one(subset):
    again = hp.select(subset, "shortest", size=2)
    assert [row["n"] for row in again.to_list()] == [35, 36]
    assert again.pool.rows == 5


def test_settings_of_the_method_and_of_the_selection_go_beside_each_other():
    subset = hp.select(ROWS, "window", size=3, low=0.25, high=0.5, measure="words", seed=4)
    other = hp.select(ROWS, hp.Window(measure="words", low=0.25, high=0.5, seed=4), size=3)
    assert subset.rows.tolist() == other.rows.tolist() and len(subset) == 3
    assert hp.select(ROWS, {"window": {"low": 0.25, "high": 0.5}}, size=3).selector.low == 0.25
    assert len(hp.select(ROWS, fraction=0.5)) == 19, "half of the 39 readable rows, rounded down"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"by": "longst", "size": 2}, "there is no method 'longst'. Did you mean 'longest'"),
        ({"by": "longest", "size": 2, "clusters": 3}, "clusters: 'longest' has no such setting"),
        ({"by": hp.Longest(), "size": 2, "seed": 1}, "seed: Longest has its own settings"),
        ({"by": hp.Longest(), "size": 2, "measure": "chars"}, "measure: Longest has its own settings"),
        ({"by": hp.Longest(), "size": 2, "low": 0.5}, "low: Longest has its own settings"),
        ({"size": 41}, "41 rows are requested, but the pool has 40"),
        ({"size": 40}, "the pool has 39 to select from"),
        ({"size": -1}, "size -1: input should be greater than or equal to 0"),
        ({}, "say how many rows 'longest' keeps"),
        ({"size": 2, "fraction": 0.5}, "both a size"),
        ({"size": 2, "guards": ["repetitoin"]}, "Did you mean 'repetition'"),
    ],
)
def test_a_mistake_is_a_config_error_of_one_sentence(asked, says):
    with pytest.raises(hp.ConfigError, match=re.escape(says)):
        hp.select(ROWS, **asked)


def test_what_it_holds_on_disk_goes_with_it(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    subset = hp.select(ROWS, "longest", size=5)
    subset.scores, subset._repr_html_(), subset.write(tmp_path / "out")
    assert list(scratch.iterdir())
    del subset
    gc.collect()
    assert not list(scratch.iterdir())


def test_push_to_hub_uploads_what_write_leaves(subset, monkeypatch):
    sent = {}

    def push(folder, name):
        sent.update({file.name: file.read_bytes() for file in folder.iterdir()})
        return f"uploaded to {name}"

    monkeypatch.setattr("handpicked.selection.result.push", push)
    assert subset.push_to_hub("me/subset") == "uploaded to me/subset"
    assert {"selected.jsonl", "scores.parquet", "rejected.jsonl", "manifest.json"} <= set(sent)
    assert len(sent["selected.jsonl"].splitlines()) == 5


def test_in_a_notebook_it_shows_counts_lengths_and_first_rows_escaped(subset):
    page = subset._repr_html_()
    assert "Selection of 5 of 40 rows by longest: 34 dropped, 1 rejected" in page
    assert "not among the 5 longest" in page and "rejected: field &#39;output&#39; is null" in page
    assert "Say &lt;b&gt;35&lt;/b&gt;." in page and "<b>" not in page
    assert "<script" not in page and "<svg" in page
    assert "median 39" in page, (
        "of the kept rows: 36 to 40 words, each with a token, and one for the last space"
    )


def test_the_histogram_counts_every_row_that_has_a_length_once(subset):
    page = subset._repr_html_()
    bars = re.findall(r"from ([\d,]+) tokens: ([\d,]+) of the pool, ([\d,]+) kept", page)
    assert sum(int(pool) for _, pool, _ in bars) == 39 and sum(int(kept) for *_, kept in bars) == 5
    heights = [float(one) for one in re.findall(r'height="([\d.]+)"', page)]
    assert max(heights[1:]) == notebook.HEIGHT


def test_lengths_are_counted_in_characters_where_the_selection_counts_none(monkeypatch):
    subset = hp.select(ROWS, "random", size=5, seed=1)
    assert "Response length (chars)" in subset._repr_html_()
    monkeypatch.setattr(notebook, "MOST", 10)
    assert "<svg" not in subset._repr_html_()


def test_markup_in_a_row_or_a_reason_stays_text():
    evil = "<img src=x onerror=alert(1)>"
    page = hp.select(
        [{"prompt": evil, "response": evil}, {"prompt": "a", "response": "b"}], size=1
    )._repr_html_()
    assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page


def test_a_long_text_is_shown_by_its_beginning():
    page = hp.select([{"prompt": "a" * 10_000, "response": "b" * 10_000}], "full")._repr_html_()
    assert len(page) < 4000 and "a" * notebook.LETTERS + "…" in page


def test_nothing_kept_and_one_length_are_shown_too():
    assert "Selection of 0 of 40 rows" in hp.select(ROWS, size=0)._repr_html_()
    same = [{"prompt": str(n), "response": "same"} for n in range(3)]
    assert "median 4" in hp.select(same, "longest", size=1, measure="chars")._repr_html_()


def test_any_pool_will_do():
    pool = MemoryPool([{"prompt": str(n), "response": "w " * n} for n in range(1, 9)])
    subset = hp.select(pool, "longest", size=2)
    assert [one.row for one in subset] == [6, 7] and len(subset.to_list()) == 2
    assert subset.to_arrow().num_rows == 2 and "<svg" in subset._repr_html_()


def test_rows_are_numbers_of_numpy(subset):
    assert subset.rows.dtype == np.int64


def test_one_guard_may_be_given_by_its_name_alone():
    alone = hp.select(ROWS, size=3, guards="cut-off")
    assert alone.scores.equals(hp.select(ROWS, size=3, guards=["cut-off"]).scores)
    with pytest.raises(hp.ConfigError, match=r"there is no guard 'cutoff'\. Did you mean 'cut-off'"):
        hp.select(ROWS, size=5, guards="cutoff")


def test_one_file_of_prompts_may_be_given_alone(tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"prompt": ROWS[39]["instruction"]}) + "\n")
    for given in (file, str(file), [file]):
        assert 39 not in hp.select(ROWS, size=5, guards="decontaminate", prompts=given).rows


def test_prompts_that_are_no_files_are_named():
    with pytest.raises(
        hp.ConfigError, match="prompts: a list of files is needed, and this holds an object of type dict"
    ):
        hp.select(ROWS, size=5, guards="decontaminate", prompts=[{"prompt": "Say."}])


def test_a_class_in_place_of_a_selector_is_named():
    with pytest.raises(
        hp.ConfigError, match=r"by: Longest is a class. Give an object, Longest\(...\), or a name"
    ):
        hp.select(ROWS, hp.Longest, size=5)


def test_measures_of_any_data_are_compared():
    assert hp.compare_measures(ROWS, 5)["tokens"]["words"] == 1


def test_a_pool_says_what_it_is(tmp_path):
    assert repr(hp.read(ROWS)) == "<Pool of 40 rows in the format alpaca: the list>"
    files = [tmp_path / f"{n}.jsonl" for n in range(5)]
    for file in files:
        file.write_text(json.dumps({"prompt": "Say.", "response": "So."}) + "\n")
    shown = repr(hp.read([str(file) for file in files]))
    assert shown.startswith("<Pool of 5 rows") and shown.endswith("2.jsonl and 2 other files>")
