"""Encoded rows on disk: what is read is what was written, in five bytes a token, and mapped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.errors import PoolError
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded
from handpicked.train.rows import HEADER, open_rows, write_rows

tokens = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans()), max_size=30)


@given(st.lists(tokens, max_size=12))
def test_rows_come_back_as_they_were(tmp_path_factory, listed):
    written = [
        Encoded([token for token, _ in row], [token if learned else IGNORED for token, learned in row])
        for row in listed
    ]
    folder = tmp_path_factory.mktemp("rows")
    for rows in (write_rows(written, folder), open_rows(folder)):
        assert list(rows) == written
        assert rows.lengths.tolist() == [len(row.ids) for row in written]
        assert rows.learned_counts.tolist() == [row.learned for row in written]


def test_a_token_takes_five_bytes_and_is_mapped(tmp_path):
    rows = write_rows([Encoded(list(range(1000)), [IGNORED] * 1000)] * 50, tmp_path)
    on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert on_disk == 5 * 50_000 + 3 * HEADER + 8 * 50
    assert all(isinstance(part, np.memmap) for part in (rows.ids, rows.learned, rows.ends))


def test_rows_written_again_leave_those_that_are_mapped_alone(tmp_path):
    old = write_rows([Encoded([1, 2, 3], [1, 2, 3])], tmp_path)
    write_rows([Encoded([9], [9])], tmp_path)
    assert old[0].ids == [1, 2, 3]


def test_what_was_not_written_to_its_end_is_no_rows(tmp_path):
    write_rows([Encoded([1, 2, 3], [1, 2, 3])], tmp_path / "a")
    write_rows([Encoded([1], [1])], tmp_path / "b")
    (tmp_path / "b" / "ids.npy").replace(tmp_path / "a" / "ids.npy")
    with pytest.raises(PoolError, match="not written to their end"):
        open_rows(tmp_path / "a")
    (tmp_path / "a" / "ids.npy").write_bytes(bytes(300))
    with pytest.raises(PoolError, match="holds no encoded rows"):
        open_rows(tmp_path / "a")
    with pytest.raises(PoolError, match="holds no encoded rows"):
        open_rows(tmp_path / "nowhere")
