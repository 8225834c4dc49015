"""Rejected rows are in a file: what they are, in which order, and that memory does not hold them."""

import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass, replace

import pyarrow.parquet as pq
import pytest

import handpicked as hp
from handpicked.errors import PoolError
from handpicked.records import Dropped, Rejected
from handpicked.selection import explained_rows, reasons, rejected
from handpicked.selection.reasons import Reasons, reasons_of
from handpicked.selection.rejected import MARK, RejectedRows


def reject(row, reason="field 'output' is null"):
    return Rejected(row, "pool.jsonl", f"line {row + 1}", reason, '{"output": null}' + "x" * 180)


@dataclass
class Unreadable:
    """A pool of which no row can be read; made row by row, so that it holds none."""

    rows: int

    def rejected(self):
        return map(reject, range(self.rows))


def write(path, outputs):
    """JSON lines with these outputs, one row each."""
    rows = ({"instruction": f"q{place}", "output": output} for place, output in enumerate(outputs))
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_it_is_the_sequence_that_the_pool_gives(tmp_path):
    pool = Unreadable(2 * MARK + 5)
    rows = RejectedRows.found(pool, 0, tmp_path / "rejected.jsonl")
    listed = list(pool.rejected())
    assert list(rows) == listed and len(rows) == len(listed)
    for place in (0, 1, MARK - 1, MARK, MARK + 1, 2 * MARK + 4, -1, -MARK):
        assert rows[place] == listed[place]
    assert rows[MARK - 2 : MARK + 3] == listed[MARK - 2 : MARK + 3] and rows[5:5] == []
    assert rows.index(listed[7]) == 7 and reject(10**9) not in rows
    with pytest.raises(IndexError):
        rows[len(listed)]


def test_a_pool_without_rejected_rows_has_an_empty_file(tmp_path):
    selection = hp.select(write(tmp_path / "pool.jsonl", ["one", "two"]), size=1)
    selection.write(tmp_path / "out")
    assert not selection.rejected and list(selection.rejected) == []
    assert (tmp_path / "out" / "rejected.jsonl").read_bytes() == b""


def test_texts_with_odd_characters_come_back(tmp_path):
    odd = replace(
        reject(3, "a\u2028b\r\nc\x00\x85 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))
    )

    class Odd(Unreadable):
        def rejected(self):
            return iter([odd])

    assert list(RejectedRows.found(Odd(1), 0, tmp_path / "rejected.jsonl")) == [odd]


def test_memory_does_not_hold_them(tmp_path):
    def peak(count):
        tracemalloc.start()
        rows = RejectedRows.found(Unreadable(count), 0, tmp_path / "rejected.jsonl")
        assert sum(one.row for one in rows) == count * (count - 1) // 2
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(40_000) - peak(4_000) < 40_000  # bytes: less than one for each row


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_they_are_at_their_places_among_the_scores_however_many_are_placed_at_a_time(
    tmp_path, monkeypatch, at_once
):
    outputs = [None, None, None, "word " * 3, None, None, "word", None, "word " * 2, "words", *[None] * 7]
    monkeypatch.setattr(explained_rows, "AT_ONCE", at_once)
    selection = hp.select(write(tmp_path / "pool.jsonl", outputs), size=2)
    selection.write(tmp_path / "out")
    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [one["row"] for one in scores] == list(range(len(outputs)))
    assert [one["kept"] for one in scores] == [place in (3, 8) for place in range(len(outputs))]
    assert [one["reason"] for one in scores if outputs[one["row"]] is None] == [
        "rejected: field 'output' is null"
    ] * 13
    lines = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").open()]
    assert [one["row"] for one in lines] == [place for place, one in enumerate(outputs) if one is None]
    assert selection.summary.rejected == 13


def test_the_reasons_are_counted_commonest_first_with_their_first_row(tmp_path):
    outputs = [None, "", "text", "", {"a": 1}, "", None]
    selection = hp.select(write(tmp_path / "pool.jsonl", outputs), size=1)
    assert selection.summary.rejections == (
        Dropped("the response is empty (such as pool.jsonl, line 2)", 3),
        Dropped("field 'output' is null (such as pool.jsonl, line 1)", 2),
        Dropped("field 'output' is an object, not text (pool.jsonl, line 5)", 1),
    )


def test_reasons_beyond_the_most_are_counted_together(monkeypatch):
    monkeypatch.setattr(reasons, "KINDS", 3)
    names = ["a", "b", "c", "d", "e", "a", "d", "line 1", "b", "a"]
    found = reasons_of(reject(row, name) for row, name in enumerate(names))
    assert found.rows == len(names) == sum(rows for _, rows in found.listed())
    assert [(one.reason, rows) for one, rows in found.listed()] == [
        (reasons.FURTHER, 4), ("a", 3), ("b", 2), ("c", 1)
    ]  # fmt: skip
    assert found.listed()[0][0].row == 3


def test_reasons_that_differ_in_numbers_are_one():
    found = reasons_of(
        [reject(4, "3 fields where the header has 2"), reject(9, "7 fields where the header has 2")]
    )
    assert [(one.row, rows) for one, rows in found.listed()] == [(4, 2)] and Reasons().listed() == []


def test_a_pool_that_changed_and_a_disorder_are_reported(tmp_path):
    with pytest.raises(PoolError, match="5 of its 5 rows gave no score, but 4 are unreadable now"):
        RejectedRows.found(Changing(5), 0, tmp_path / "rejected.jsonl")
    with pytest.raises(AssertionError, match="not in pool order: 1 after 2"):
        RejectedRows.found(Disordered(3), 0, tmp_path / "rejected.jsonl")


class Changing(Unreadable):
    def rejected(self):
        return map(reject, range(self.rows - 1))


class Disordered(Unreadable):
    def rejected(self):
        return map(reject, reversed(range(self.rows)))


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(record):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rejected, "to_json", full)
    with pytest.raises(hp.StoreError, match="space"):
        hp.select(write(tmp_path / "pool.jsonl", ["a", None]), size=1).write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_peak_of_a_selection_does_not_grow_with_the_rejected_rows(tmp_path):
    def peak(count):
        pool = tmp_path / "pool.jsonl"  # larger than what is parsed once and held
        with pool.open("w") as file:
            for row in range(count):
                one = {"instruction": f"{row} " + "words " * 30, "output": "answer" if row % 2 else ""}
                file.write(json.dumps(one) + "\n")
        command = [sys.executable, "-c", CHILD, str(pool), str(tmp_path / f"out-{count}")]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        return float(done.stdout.splitlines()[-1])

    assert peak(900_000) < peak(450_000) + 40  # MiB; 100 more if they were held


CHILD = """
import re, sys
sys.argv = ["handpicked", "select", sys.argv[1], "--size", "100", "-o", sys.argv[2], "--measure", "chars"]
from handpicked.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]) / 1024)
"""
