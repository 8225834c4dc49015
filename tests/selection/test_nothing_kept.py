"""A selection that keeps nothing is not a success, and every summary shows why rows were rejected."""

from __future__ import annotations

import json

import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import HandpickedError
from handpicked.selection import pick
from handpicked.selection.scoring import score_into


def pool_of(tmp_path, rows):
    path = tmp_path / "pool.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return read(path)


UNREADABLE = [
    {"messages": [{"role": "narrator", "content": "x"}]},
    {"messages": [{"role": "narrator", "content": "y"}]},
    {"messages": []},
    {"messages": 5},
]


@pytest.mark.parametrize(
    "budget", [{"by": "full"}, {"by": "longest", "size": 1}, {"by": "longest", "fraction": 0.5}]
)
def test_a_pool_of_which_no_row_can_be_read(tmp_path, budget):
    with pytest.raises(HandpickedError) as caught:
        pick(pool_of(tmp_path, UNREADABLE), SelectSettings(**budget), tmp_path / "out")
    message = str(caught.value)
    assert "none of the 4 rows of the pool can be read" in message
    assert (
        "2 rows: turn 1 of 'messages' has the unknown role \"narrator\" (such as pool.jsonl, line 1)"
        in message
    )
    assert "1 rows: field 'messages' is an empty list (pool.jsonl, line 3)" in message
    assert "\n" not in message
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_score_of_which_no_row_can_be_read(tmp_path):
    with pytest.raises(HandpickedError, match="none of the 4 rows"):
        score_into(pool_of(tmp_path, UNREADABLE), ["chars"], tmp_path / "out")


def test_guards_that_leave_nothing(tmp_path):
    rows = [
        {"prompt": f"{index}?", "response": "an answer that ends in mid-sentence and then"}
        for index in range(3)
    ]
    with pytest.raises(HandpickedError, match=r"no row is kept.* 3 rows: cut-off: .*\(such as row 0\)"):
        pick(pool_of(tmp_path, rows), SelectSettings(by="full", guards=["cut-off"]), tmp_path / "out")


def test_a_fraction_that_is_less_than_a_row(tmp_path):
    rows = [{"prompt": f"{index}?", "response": "yes"} for index in range(3)]
    with pytest.raises(HandpickedError, match=r"no row is kept.* 3 rows: "):
        pick(pool_of(tmp_path, rows), SelectSettings(by="longest", fraction=0.1), tmp_path / "out")


def test_the_summary_shows_the_reasons_of_rejection(tmp_path):
    sound = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    summary = pick(pool_of(tmp_path, [sound, *UNREADABLE]), SelectSettings(by="full"), tmp_path / "out")
    assert (summary.kept, summary.rejected) == (1, 4)
    assert [(part.rows, part.reason) for part in summary.rejections][:1] == [
        (2, "turn 1 of 'messages' has the unknown role \"narrator\" (such as pool.jsonl, line 2)")
    ]
    assert sum(part.rows for part in summary.rejections) == 4
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert sum(manifest["rejections"].values()) == 4
