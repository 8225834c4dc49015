"""Any number of processes makes the same steps: the same rows in each, and equally many passes for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.config import TrainSettings
from handpicked.errors import TrainingError
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded
from handpicked.train.encode import EncodedRows
from handpicked.train.plan import plan
from handpicked.train.prepare import PackedRows, Prepared
from handpicked.train.rows import write_rows
from handpicked.train.steps import BLANK, DealtRows, deal


def prepared(folder, rows: int, settings: TrainSettings, sequences: int = 0) -> Prepared:
    """Rows of one token, their number; ``sequences`` of two rows where they are packed."""
    encoded = write_rows([Encoded([row, row], [IGNORED, row]) for row in range(rows)], folder / "rows")
    flags = np.zeros(rows, np.bool_)
    packed = None
    if sequences:
        joined = write_rows([Encoded([7, 8, 9], [7, IGNORED, 9])] * sequences, folder / "packed")
        packed = PackedRows(joined, np.cumsum([1, 2] * sequences))
    planned = plan([2] * rows, settings, seed=3)
    return Prepared("a", 3, "plain", "base", EncodedRows(encoded, flags, flags, 0), planned, packed)


def steps_of(dealt) -> list[list[int]]:
    """The places of each step, without the blank ones."""
    whole = dealt.rows * dealt.passes * dealt.processes
    steps = [dealt.places[at : at + whole] for at in range(0, len(dealt.places), whole)]
    return [[int(place) for place in step if place != BLANK] for step in steps]


@given(st.integers(1, 40), st.sampled_from([1, 2, 3, 4, 8]), st.integers(1, 4), st.integers(1, 5))
def test_a_step_holds_the_same_rows_on_any_number_of_processes(
    tmp_path_factory, rows, processes, share, micro
):
    settings = TrainSettings(batch_size=processes * share, micro_batch_size=micro, epochs=2)
    made = prepared(tmp_path_factory.mktemp("steps"), rows, settings)
    one, many = deal(made, settings, 1, 4), deal(made, settings, processes, 4)
    assert steps_of(many) == steps_of(one)
    assert [row for step in steps_of(many) for row in step] == list(made.planned.order)
    assert many.steps == one.steps == made.planned.steps
    assert len(many.places) % (many.rows * processes) == 0, "every process has equally many passes"
    assert len(many.places) - len(made.planned.order) < many.rows * processes


@given(st.integers(1, 30), st.sampled_from([1, 2, 3, 8]), st.integers(1, 4))
def test_packed_steps_hold_the_same_sequences_on_any_number_of_processes(
    tmp_path_factory, sequences, processes, micro
):
    settings = TrainSettings(batch_size=6, micro_batch_size=micro, epochs=1, packing=True)
    made = prepared(tmp_path_factory.mktemp("packed"), 2 * sequences, settings, sequences)
    one, many = deal(made, settings, 1, micro), deal(made, settings, processes, micro)
    assert steps_of(many) == steps_of(one)
    assert [one for step in steps_of(many) for one in step] == list(range(sequences))
    assert many.steps == one.steps
    assert len(many.places) % (many.rows * processes) == 0


def test_a_blank_place_is_a_token_of_which_nothing_is_learned(tmp_path):
    settings = TrainSettings(batch_size=4, micro_batch_size=2, epochs=1)
    made = prepared(tmp_path, 5, settings)
    rows = DealtRows(made, deal(made, settings, 2, 4))
    assert len(rows) == 8
    assert [rows[at]["input_ids"][0] for at in range(5)] == list(made.planned.order)
    assert all(rows[at] == {"input_ids": [0], "labels": [IGNORED]} for at in (5, 6, 7))


def test_a_packed_place_says_where_its_rows_end(tmp_path):
    settings = TrainSettings(batch_size=4, epochs=1, packing=True)
    made = prepared(tmp_path, 4, settings, sequences=2)
    rows = DealtRows(made, deal(made, settings, 1, 1))
    assert rows[1] == {"input_ids": [7, 8, 9], "labels": [7, IGNORED, 9], "seq_lengths": [1, 2]}


def test_a_batch_that_cannot_be_shared_says_what_to_change(tmp_path):
    settings = TrainSettings(batch_size=6)
    with pytest.raises(TrainingError, match="multiple of 4, or give fewer devices"):
        deal(prepared(tmp_path, 5, settings), settings, 4, 4)
