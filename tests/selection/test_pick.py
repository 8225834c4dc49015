"""A selection from a file to a written folder, and everything that may be in its way."""

from __future__ import annotations

import gzip
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, PoolError, StoreError
from handpicked.selection import compare_measures, pick, select
from handpicked.selectors.ranked import Top
from made_rows import rows_of
from memory_pool import MemoryPool


def settings(**values):
    return SelectSettings(**values)


def manifest(out):
    return json.loads((out / "manifest.json").read_text())


def hashes(out):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


def test_out_holds_the_subset_the_scores_the_rejected_and_the_manifest(tmp_path):
    rows = [*rows_of(50), None, *rows_of(50, seed=1), None]
    pool = MemoryPool(rows, shards=3)
    summary = pick(
        pool,
        settings(by="longest", size=10, measure="words"),
        tmp_path / "out",
        command=["handpicked", "select"],
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "manifest.json", "rejected.jsonl", "report.html", "scores.parquet", "selected.jsonl",
    ]  # fmt: skip
    assert (summary.pool, summary.kept, summary.rejected) == (102, 10, 2)

    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [one["row"] for one in scores] == list(range(102))
    kept = [one["row"] for one in scores if one["kept"]]
    assert all(one["words"] == len(rows[one["row"]]["response"].split()) for one in scores if one["id"])
    cut = sorted((len(row["response"].split()) for row in rows if row), reverse=True)[9]
    assert all(scores[row]["words"] >= cut for row in kept)
    assert all((one["reason"] is None) == one["kept"] for one in scores)
    assert [one["reason"] for one in scores if one["id"] is None] == ["rejected: the row is null"] * 2

    selected = [json.loads(line) for line in (tmp_path / "out" / "selected.jsonl").read_text().splitlines()]
    assert selected == [rows[row] for row in kept]
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [one["row"] for one in rejected] == [50, 101]

    found = manifest(tmp_path / "out")
    assert found["counts"] == {
        "pool": 102,
        "kept": 10,
        "rejected": 2,
        "dropped": {"not among the 10 longest": 90},
    }
    assert found["settings"]["measure"] == "words"
    assert found["command"] == ["handpicked", "select"]
    for name, digest in found["outputs"].items():
        assert len(digest) == 64 and (tmp_path / "out" / name).exists()


def test_the_manifest_names_the_tokenizer(tmp_path):
    pick(MemoryPool(rows_of(5)), settings(size=2), tmp_path / "out")
    (score,) = manifest(tmp_path / "out")["scores"]
    assert score["tokenizer"]["name"] == "SmolLM2-135M-Instruct"
    assert len(score["tokenizer"]["sha256"]) == 64


@pytest.mark.parametrize(
    "chosen",
    [
        {"by": "full"}, {"by": "random", "size": 7}, {"by": "shortest", "size": 7}, {"by": "top", "field": "quality", "size": 7},
        {"by": "bottom", "field": "quality", "fraction": 0.1}, {"by": "window", "low": 0.2, "high": 0.8, "size": 7},
        {"by": "window", "field": "quality", "high": 0.5}, {"by": "balanced", "field": "kind", "size": 7},
        {"by": "power-law", "field": "kind", "size": 7}, {"by": "compression_ratio", "size": 7},
    ],
    ids=lambda chosen: chosen["by"],
)  # fmt: skip
def test_every_selector_is_found_by_name_and_accounts_for_every_row(tmp_path, chosen):
    summary = pick(MemoryPool(rows_of(80), shards=2), settings(**chosen), tmp_path / "out")
    expected = {"full": 80, "bottom": 8}.get(chosen["by"], 7)
    if chosen.get("field") == "quality" and chosen["by"] == "window":
        expected = 40
    assert summary.kept == expected
    assert summary.kept + sum(part.rows for part in summary.dropped) == 80


def test_length_matched_copies_the_lengths_of_another_subset(tmp_path):
    pool = MemoryPool(rows_of(300))
    pick(pool, settings(by="top", field="quality", size=30), tmp_path / "good")
    summary = pick(pool, settings(by="length-matched", of=str(tmp_path / "good")), tmp_path / "control")
    assert summary.kept == 30
    lengths = {
        name: sorted(
            one["tokens"]
            for one in pq.read_table(tmp_path / name / "scores.parquet").to_pylist()
            if one["kept"]
        )
        for name in ("control",)
    }
    good = [
        json.loads(line)["response"]
        for line in (tmp_path / "good" / "selected.jsonl").read_text().splitlines()
    ]

    from handpicked.tokens.tokenizer import load_counter

    wanted = sorted(load_counter().count(pa.array(good)).to_pylist())
    assert all(
        abs(one - other) <= max(1, 0.1 * other) for one, other in zip(lengths["control"], wanted, strict=True)
    )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"by": "longest", "size": 5}, r"5 rows are requested, but the pool has 4 to select from \(5 rows, of which 1 cannot be read\)"),
        ({"by": "longest", "size": 9}, r"9 rows are requested, but the pool has 5\. Lower the size"),
        ({"by": "longest"}, "say how many rows"),
        ({"by": "longest", "size": 1, "fraction": 0.5}, "both a size"),
        ({"by": "full", "size": 1}, "takes no size"),
        ({"by": "longst", "size": 1}, "Did you mean 'longest'"),
        ({"by": "top", "size": 1}, "field: 'top' needs this setting: the scorer"),
        ({"by": "top", "field": "kind", "size": 1}, "no numbers"),
        ({"by": "length-matched"}, "needs the folder"),
        ({"by": "longest", "size": 1, "guards": ("repetitoin",)}, "Did you mean 'repetition'"),
        ({"by": "longest", "size": 1, "guards": ("repetition=2", "token-window")}, "repetition=2': limit: '2' input should be less than or equal to 1(.|\n)*fewest and the most"),
        ({"by": "longest", "size": 1, "guards": ("decontaminate",)}, "name the files of evaluation prompts"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_and_nothing_is_written(tmp_path, chosen, message):
    with pytest.raises(ConfigError, match=message):
        pick(MemoryPool([*rows_of(4), None]), settings(**chosen), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_pool_and_a_pool_of_one(tmp_path):
    assert pick(MemoryPool([]), settings(size=0), tmp_path / "none").kept == 0
    assert (tmp_path / "none" / "selected.jsonl").read_bytes() == b""
    assert pick(MemoryPool(rows_of(1)), settings(size=1), tmp_path / "one").kept == 1
    with pytest.raises(PoolError, match="none of the 1 rows of the pool can be read"):
        pick(MemoryPool([None]), settings(by="full"), tmp_path / "rejected")
    with pytest.raises(ConfigError, match="1 rows are requested, but the pool has 0"):
        pick(MemoryPool([]), settings(size=1), tmp_path / "too-many")


def test_the_same_settings_give_the_same_bytes(tmp_path):
    pool = MemoryPool([*rows_of(200), None], shards=4)
    for name in ("one", "two", "one"):
        pick(pool, settings(by="random", size=20), tmp_path / name)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "selected.jsonl").write_text("mine")
    with pytest.raises(StoreError, match="did not write there"):
        pick(MemoryPool(rows_of(3)), settings(size=1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["selected.jsonl"]
    assert (tmp_path / "selected.jsonl").read_text() == "mine"


def test_a_failed_rerun_leaves_the_earlier_result(tmp_path):
    out = tmp_path / "out"
    pick(MemoryPool(rows_of(10)), settings(size=3), out)
    before = hashes(out)
    with pytest.raises(ConfigError):
        pick(MemoryPool(rows_of(10)), settings(size=11), out)
    assert hashes(out) == before


def test_python_select_writes_what_pick_writes(tmp_path):
    pool = MemoryPool(rows_of(40))
    pick(pool, settings(by="top", field="quality", size=5), tmp_path / "pick")
    selection = select(pool, Top("quality"), size=5)
    assert len(selection.rows) == 5
    selection.write(tmp_path / "python")
    assert hashes(tmp_path / "pick")["selected.jsonl"] == hashes(tmp_path / "python")["selected.jsonl"]
    assert hashes(tmp_path / "pick")["scores.parquet"] == hashes(tmp_path / "python")["scores.parquet"]


def test_compare_measures_is_symmetric_and_one_with_itself():
    agreement = compare_measures(MemoryPool(rows_of(60)), 10)
    for one in agreement:
        assert agreement[one][one] == 1
        assert all(agreement[one][other] == agreement[other][one] for other in agreement)
    assert agreement["words"]["nltk"] > 0.5


@pytest.mark.data
def test_alpaca_and_dolly_are_all_accounted_for(tmp_path, real_data):
    for name, rows in (("alpaca_data.json", 52_002), ("databricks-dolly-15k.jsonl", 15_011)):
        file = tmp_path / name
        file.write_bytes(gzip.decompress((real_data / "native" / f"{name}.gz").read_bytes()))
        summary = pick(read(file), settings(size=1000), tmp_path / name.split(".")[0])
        assert summary.pool == rows
        assert summary.kept == 1000
        assert summary.kept + summary.rejected + sum(part.rows for part in summary.dropped) == rows
        assert len(pq.read_table(tmp_path / name.split(".")[0] / "scores.parquet")) == rows


def test_numbers_that_are_texts_are_ranked_as_numbers_and_texts_without_one_are_missing(tmp_path):
    file = tmp_path / "pool.jsonl"
    scores = ["3", "10", "9", None, "", "nan", " 8.5 "]
    rows = [{"prompt": f"ask {i}", "response": "said", "score": score} for i, score in enumerate(scores)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = pick(read(str(file)), settings(by="top", field="score", size=3), tmp_path / "out")
    assert found.kept == 3
    told = pq.read_table(tmp_path / "out/scores.parquet").to_pylist()
    assert [row["row"] for row in told if row["kept"]] == [1, 2, 6]
    assert [row["row"] for row in told if row["reason"] == "no score: the field is empty"] == [3, 4, 5]
