"""Rows in a file, and records put in order by parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.errors import StoreError
from handpicked.store import spilled
from handpicked.store.spilled import Spilled, in_order, packed, unpacked

NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 3)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), unique=True), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_records_come_in_the_order_of_their_columns(rows, run, cut):
    parts = [rows[begin : begin + cut] for begin in range(0, len(rows), cut)]
    columns = ([np.array(column, np.uint64) for column in zip(*part, strict=True)] for part in parts)
    found = [unpacked(part) for part in in_order((packed(*part) for part in columns), run=run)]
    put = [tuple(row) for part in found for row in zip(*(column.tolist() for column in part), strict=True)]
    assert put == sorted(rows)
    assert all(len(part[0]) < 2 * (run + cut) for part in found)


def test_pieces_stay_small_however_the_first_column_is_distributed():
    draw = np.random.default_rng(0)
    first, second = np.where(draw.random(20_000) < 0.9, 7, draw.integers(0, 100, 20_000)), np.arange(20_000)
    pieces = list(
        in_order((packed(first[at : at + 50], second[at : at + 50]) for at in range(0, 20_000, 50)), run=500)
    )
    assert max(map(len, pieces)) <= 1000
    assert (
        np.concatenate([unpacked(one)[1] for one in pieces]).tolist() == np.lexsort((second, first)).tolist()
    )


def test_what_fits_into_one_run_touches_no_disk(tmp_path):
    gone = tmp_path / "not there"
    assert [len(one) for one in in_order([packed(np.arange(9))], gone, run=10)] == [9]
    with pytest.raises(FileNotFoundError):
        list(in_order([packed(np.arange(10))], gone, run=10))


@pytest.mark.parametrize("read", [1, 3, 1000])
def test_rows_are_read_by_slices_and_by_places(tmp_path, monkeypatch, read):
    monkeypatch.setattr(spilled, "READ", read)
    rows = np.random.default_rng(0).integers(0, 1000, (100, 7), np.uint32)
    kept = Spilled(np.uint32, 7, tmp_path)
    assert (len(kept), kept[:].shape, kept.take(np.empty(0, np.int64)).shape) == (0, (0, 7), (0, 7))
    for begin in range(0, 100, 30):
        kept.append(rows[begin : begin + 30])
        kept.append(rows[:0])
    assert (kept[:] == rows).all() and (kept[95:200] == rows[95:]).all() and not len(kept[60:50])
    places = np.array([99, 0, 5, 5, 70])
    assert (kept.take(places) == rows[places]).all()
    kept.append(rows[:1])  # after it was read
    assert (kept.take(np.array([100, 99])) == rows[[0, 99]]).all()


def test_the_file_has_no_name_to_be_left_behind(tmp_path):
    kept = Spilled(np.int64, folder=tmp_path)
    kept.append(np.arange(1000))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(spilled.tempfile, "TemporaryFile", lambda **_: full)
        with pytest.raises(StoreError, match="no space is left"):
            Spilled(np.int64, folder=tmp_path).append(np.arange(10))
