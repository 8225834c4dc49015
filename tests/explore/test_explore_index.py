"""An index holds every row of a pool at its place, whatever the format; it is made once and never half."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_explored import alpaca, chat, write

from handpicked.data import read
from handpicked.errors import PoolError
from handpicked.explore import index as indexing
from handpicked.explore.index import Index, Reading, index_of


def same_rows(index: Index, path) -> None:
    """Every readable row of the pool is at its place with all that it says, and all others are reported."""
    found = {example.row: example for example in read(path).examples()}
    for row in range(index.rows):
        example = found.get(row)
        assert index.unread(row) == (example is None)
        assert index.value(row, "prompt") == (example and example.prompt)
        assert index.value(row, "response") == (example and example.response)
        assert index.value(row, "id") == (example and example.id)
        assert index.messages(row) == (list(example.messages) if example else [])
    assert set(index.rejections) == set(range(index.rows)) - set(found)
    assert index.rejected == index.rows - len(found)


@pytest.mark.parametrize("batch", [1, 3, 8192])
def test_rows_of_json_lines_with_rejected_ones_between(pool, monkeypatch, batch):
    monkeypatch.setattr(indexing, "BATCH_ROWS", batch)
    index = index_of([pool])
    same_rows(index, pool)
    assert (index.rows, index.rejected) == (40, 1)
    assert index.rejections[7]["place"] == "line 8" and "empty" in index.rejections[7]["reason"]
    kinds = {one.name: (one.kind, one.few) for one in index.fields}
    assert kinds == {"level": ("number", False), "topic": ("text", True), "checked": ("bool", False)}


@pytest.mark.parametrize("ends", ["first", "last", "all but one"])
def test_rejected_rows_at_the_ends(tmp_path, ends):
    rows = alpaca(30)
    wrong = {"first": [0, 1], "last": [28, 29], "all but one": [i for i in range(30) if i != 13]}[ends]
    for row in wrong:
        rows[row]["output"] = None
    path = write(tmp_path / "pool.jsonl", rows)
    same_rows(index_of([path]), path)


def test_chats_keep_thoughts_calls_and_tools(tmp_path):
    path = write(tmp_path / "chat.jsonl", chat())
    index = index_of([path])
    same_rows(index, path)
    turns = index.messages(0)
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool", "assistant"]
    assert turns[2].calls[0].name == "weather" and turns[3].call_id == "c1" and "weather" in turns[0].tools
    assert index.value(1, "messages") is None, "a plain pair is not written twice"


def test_parquet_and_a_field_named_like_our_own(tmp_path):
    rows = [{**row, "id": f"own {i}", "prompt characters": i} for i, row in enumerate(alpaca())]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pool.parquet")
    index = index_of([tmp_path / "pool.parquet"])
    same_rows(index, tmp_path / "pool.parquet")
    assert "id" not in {one.name for one in index.fields}


def test_it_is_made_once_and_again_when_the_pool_changes(pool, cache):
    said: list[str] = []
    first = index_of([pool], say=said.append)
    again = index_of([pool], say=said.append)
    assert first.folder == again.folder and len(said) == 1 and "40 rows" in said[0]
    write(pool, alpaca(41))
    assert index_of([pool], say=said.append).rows == 41 and len(said) == 2
    assert not first.folder.exists(), "the older one is of no use"
    assert index_of([pool], Reading(turns="all"), say=said.append).folder != first.folder
    assert not [path for path in (cache / "explore").iterdir() if path.name.startswith(".unfinished")]


def test_a_killed_index_leaves_nothing_that_is_taken_for_whole(pool, cache, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            index_of([pool])
    assert not [path for path in (cache / "explore").iterdir() if path.suffix != ".lock"]
    same_rows(index_of([pool]), pool)


def test_a_damaged_index_says_what_to_delete(pool):
    folder = index_of([pool]).folder
    content = (folder / "rows.arrow").read_bytes()
    (folder / "rows.arrow").write_bytes(content[: len(content) // 2])
    with pytest.raises(PoolError, match="Delete that folder"):
        index_of([pool]).value(0, "prompt")


def test_a_field_of_many_values_is_a_text_and_one_of_few_a_category(tmp_path):
    rows = [{**row, "many": f"value {i}", "few": "same"} for i, row in enumerate(alpaca(1200))]
    index = index_of([write(tmp_path / "pool.jsonl", rows)])
    assert {one.name: one.few for one in index.fields if one.kind == "text"} == {
        "topic": True,
        "many": False,
        "few": True,
    }


def test_the_pool_of_the_standard_library():
    index = index_of(["python-stdlib"])
    assert index.rows > 5000 and index.format == "alpaca" and index.value(0, "prompt")


def test_every_line_separator_in_a_rejected_row(tmp_path):
    path = write(tmp_path / "pool.jsonl", alpaca())
    with path.open("a") as file:
        file.write(json.dumps({"instruction": "a\u2028b", "output": ""}, ensure_ascii=False) + "\n")
    assert set(index_of([path]).rejections) == {7, 40}
