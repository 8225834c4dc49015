"""``hp.score``: a table of scores that joins with the pool by row and id."""

from __future__ import annotations

import gc
import json
import tempfile

import pyarrow.parquet as pq
import pytest

import handpicked as hp
import word_scorer

ROWS = [
    {"prompt": f"ask {n}", "response": None if n == 3 else "word " * n + "end.", "n": n} for n in range(8)
]


@pytest.fixture(autouse=True)
def wordy(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    word_scorer.ship(monkeypatch, word_scorer.Words)
    word_scorer.done.clear()
    return word_scorer


def test_the_table_joins_with_the_rows():
    scores = hp.score(ROWS, ["words", "chars"])
    pool = hp.read(ROWS)
    assert scores.table.column_names == ["row", "id", "words", "chars"]
    assert len(scores) == 7 and [one.row for one in scores.rejected] == [3]
    for line, example in zip(scores.table.to_pylist(), pool.examples(), strict=True):
        assert (line["row"], line["id"]) == (example.row, example.id)
        assert line["words"] == ROWS[line["row"]]["n"] + 1 and line["chars"] == len(example.response)
    assert repr(scores) == "<Scores of 7 of 8 rows: words, chars>"
    assert "words: 7 of 7 rows have a value" in scores._repr_html_()


def test_a_pandas_frame_is_joined_by_row():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS)
    table = hp.score(frame, "words").table.to_pandas().set_index("row")
    assert frame.join(table)["words"].tolist()[:3] == [1, 2, 3]
    assert frame.join(table)["words"].isna().tolist() == [n == 3 for n in range(8)]


def test_a_scorer_by_a_model_says_why_a_value_is_missing_and_is_not_asked_twice():
    scores = hp.score(ROWS, "wordy", sample=3)
    table = scores.table.to_pylist()
    assert sum(line["wordy"] is not None for line in table) == 3 == len(word_scorer.done)
    assert {line["wordy_reason"] for line in table if line["wordy"] is None} == {
        "not in the random sample of 3 rows"
    }
    assert scores.counts["null"]["wordy"] == 4
    hp.score(ROWS, "wordy", sample=3)
    assert len(word_scorer.done) == 3


def test_its_files_are_those_of_the_command(tmp_path):
    scores = hp.score(ROWS, "words", part="answer")
    scores.write(tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist() == scores.table.to_pylist()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"] == scores.counts and manifest["counts"]["part"] == "answer"
    assert len((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("by", "settings", "says"),
    [
        ("wrods", {}, "no scorer 'wrods'. Did you mean 'words'"),
        (["words", "words"], {}, "'words' is named twice"),
        ([], {}, "scorer is missing"),
        ("wordy", {"modle": "x"}, "modle: 'wordy' has no such setting"),
        ("wordy", {"sample": 0}, "sample 0"),
    ],
)
def test_a_mistake_is_a_config_error(by, settings, says):
    with pytest.raises(hp.ConfigError, match=says):
        hp.score(ROWS, by, **settings)
    assert not word_scorer.done


def test_no_readable_row_is_a_pool_error():
    with pytest.raises(hp.PoolError, match="null"):
        hp.score([{"prompt": "a", "response": None}], "words")


def test_its_temporary_file_goes_with_it(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    scores = hp.score(ROWS, "words")
    assert scores.table.num_rows == 7 and list(scratch.iterdir())
    del scores
    gc.collect()
    assert not list(scratch.iterdir())
