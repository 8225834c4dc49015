"""Notes: on the disk when they are confirmed, everyone's own, and nothing is lost when many write at once."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_explored import alpaca, write

from handpicked.errors import ConfigError, PoolError
from handpicked.explore import Wanted, open_wanted
from handpicked.explore.notes import NoteFile, note_of
from handpicked.explore.session import Session


def said(row, who="ann", text="x", flag=False):
    return note_of({"annotator": who, "text": text, "flag": flag}, "row", row, f"id {row}")


def many(path, who, count):
    file = NoteFile(path)
    for row in range(count):
        file.add(said(row, who, f"{who} {row}"))


def test_processes_and_threads_at_once_lose_nothing(tmp_path):
    path = tmp_path / "notes.jsonl"
    processes = [
        multiprocessing.get_context("spawn").Process(target=many, args=(path, f"p{n}", 25)) for n in range(2)
    ]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: many(path, f"t{n}", 25), range(4)))
    for process in processes:
        process.join()
    found = {(note.annotator, note.row): note.text for note in NoteFile(path).standing().values()}
    assert found == {
        (who, row): f"{who} {row}" for who in ("p0", "p1", "t0", "t1", "t2", "t3") for row in range(25)
    }


def test_the_last_word_of_each_counts_and_an_empty_one_takes_it_back(tmp_path):
    file = NoteFile(tmp_path / "notes.jsonl")
    file.add(said(1, "ann", "first"))
    file.add(said(1, "bob", "", flag=True))
    file.add(said(1, "ann", "second"))
    assert [(note.annotator, note.text) for note in file.on("row", "id 1", 1)] == [
        ("bob", ""),
        ("ann", "second"),
    ]
    file.add(said(1, "bob", ""))
    assert [note.annotator for note in file.on("row", "id 1", 1)] == ["ann"]
    assert [json.loads(line)["text"] for line in file.export().splitlines()] == ["second"]
    assert len(file.path.read_text().splitlines()) == 4, "nothing is rewritten"


def test_a_torn_line_is_cut_off_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "notes.jsonl"
    NoteFile(path).add(said(1))
    with path.open("a") as file:
        file.write('{"annotator": "ann", "abo')
    assert len(NoteFile(path).standing()) == 1
    NoteFile(path).add(said(2))
    assert [note.row for note in NoteFile(path).standing().values()] == [1, 2]
    path.write_text("nonsense\n")
    with pytest.raises(PoolError, match="line 1 is not a note"):
        NoteFile(path).standing()


@pytest.mark.parametrize(
    "asked",
    [{}, {"annotator": ""}, {"annotator": "a" * 61}, {"annotator": "a\x07"}, {"annotator": "a", "text": 1},
     {"annotator": "a", "text": "x" * 10_001}],
)  # fmt: skip
def test_what_is_no_note_is_refused(asked):
    with pytest.raises(ConfigError):
        note_of(asked, "row", 0, "")


def test_rows_are_found_by_their_notes_and_a_changed_row_has_none(pool):
    session = Session(open_wanted(Wanted((str(pool),))))
    session.note({"row": 3, "annotator": "ann", "flag": True})
    session.note({"row": 5, "annotator": "ann", "text": "odd"})
    session.note({"row": 7, "annotator": "ann", "text": "a rejected row"})
    table = session.opened.table
    assert table.column("note").shown(np.array([3, 4, 5, 7])) == ["flag", None, "note", "note"]

    def found(kind):
        return [row["row"] for row in session.rows({"where": [{"column": "note", "values": [kind]}]})["rows"]]

    assert (found("flag"), found("note")) == ([3], [5, 7])
    session.note({"row": 5, "annotator": "bob", "flag": True})
    assert found("flag") == [3, 5], "what was found before does not stay"
    rows = alpaca()
    rows[3]["output"] = "another answer"
    write(pool, rows)
    again = Session(open_wanted(Wanted((str(pool),))))
    assert again.row({"row": 3})["notes"] == [] and [
        note["text"] for note in again.row({"row": 5})["notes"]
    ] == ["odd", ""]
    assert "flag" in again.export(), "a note on a row that has changed is still exported"


def test_notes_on_a_pool_survive_its_index(pool, cache):
    session = Session(open_wanted(Wanted((str(pool),))))
    session.note({"row": 0, "annotator": "ann", "text": "kept"})
    assert session.opened.notes.path.parent == cache / "notes"
    assert session.opened.notes.path.stat().st_mode & 0o077 == 0, "others may not read it"
