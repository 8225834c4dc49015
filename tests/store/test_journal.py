"""A journal loses nothing but a torn last line."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.errors import StoreError
from handpicked.records import Completion
from handpicked.store.journal import append, recover

FIRST = Completion("arm", "1", "one\nline", 3, True)
SECOND = Completion("arm", "2", "zwei ü", 2, False)


def test_what_was_appended_is_recovered(tmp_path: Path):
    path = tmp_path / "answers" / "arm.jsonl"
    assert recover(path) == []
    append(path, [FIRST])
    append(path, [SECOND])
    assert [Completion(**record) for record in recover(path)] == [FIRST, SECOND]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_cut_off_and_appending_goes_on(tmp_path: Path, cut: int):
    path = tmp_path / "arm.jsonl"
    append(path, [FIRST, SECOND])
    path.write_bytes(path.read_bytes()[:-cut])
    assert [Completion(**record) for record in recover(path)] == [FIRST]
    append(path, [SECOND])
    assert [Completion(**record) for record in recover(path)] == [FIRST, SECOND]


def test_damage_elsewhere_is_an_error_with_its_line(tmp_path: Path):
    path = tmp_path / "arm.jsonl"
    path.write_text('{"arm": \n{"arm": "x"}\n')
    with pytest.raises(StoreError, match="line 1"):
        recover(path)


def test_what_is_written_is_utf_8(tmp_path: Path):
    path = tmp_path / "arm.jsonl"
    append(path, [Completion("arm", "1", "half a \ud83d letter", 3, True)])
    assert "half a \ufffd letter" in path.read_text("utf-8")
    assert recover(path)[0]["text"] == "half a \ufffd letter"
