"""Budget, epochs and order: decided by lengths and seed alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.config import TrainSettings
from handpicked.errors import TrainingError
from handpicked.train.plan import micro_batch, plan

lengths_of_rows = st.lists(st.integers(1, 300), min_size=1, max_size=40)


@given(lengths_of_rows, st.integers(1, 4), st.integers(1, 16), st.integers(0, 5))
def test_epochs_pass_over_every_row_equally_often(lengths, epochs, batch_size, seed):
    planned = plan(lengths, TrainSettings(epochs=epochs, batch_size=batch_size), seed)
    assert Counter(planned.order) == dict.fromkeys(range(len(lengths)), epochs)
    assert planned.tokens == epochs * sum(lengths)
    assert planned.steps == -(-epochs * len(lengths) // batch_size)


@given(lengths_of_rows, st.integers(300, 5000), st.integers(0, 5))
def test_a_budget_is_filled_to_within_a_row_and_never_exceeded(lengths, budget, seed):
    planned = plan(lengths, TrainSettings(budget_tokens=budget), seed)
    assert budget - max(lengths) < planned.tokens <= budget
    assert planned.tokens == sum(lengths[row] for row in planned.order)
    seen = Counter(planned.order)
    assert max(seen.values()) - min(seen.get(row, 0) for row in range(len(lengths))) <= 1, (
        "passes are whole but the last"
    )


@given(lengths_of_rows, st.integers(1, 8), st.integers(0, 5))
def test_sorting_stays_within_a_step(lengths, batch_size, seed):
    sorted_plan = plan(lengths, TrainSettings(epochs=2, batch_size=batch_size), seed)
    one_by_one = plan(lengths, TrainSettings(epochs=2, batch_size=1), seed)
    for at in range(0, len(sorted_plan.order), batch_size):
        step = sorted_plan.order[at : at + batch_size]
        assert sorted(step) == sorted(one_by_one.order[at : at + batch_size])
        assert [lengths[row] for row in step] == sorted((lengths[row] for row in step), reverse=True)


def test_part_of_an_epoch_and_another_seed():
    lengths = [10] * 100
    assert len(plan(lengths, TrainSettings(epochs=0.25), 0).order) == 25
    assert plan(lengths, TrainSettings(epochs=1), 0) == plan(lengths, TrainSettings(epochs=1), 0)
    assert plan(lengths, TrainSettings(epochs=1), 0) != plan(lengths, TrainSettings(epochs=1), 1)


def test_a_budget_below_one_row_is_an_error():
    with pytest.raises(TrainingError, match="does not hold even one row"):
        plan([100], TrainSettings(budget_tokens=99), 0)


@given(st.integers(1, 256), st.integers(1, 16), st.integers(1, 8))
def test_micro_batches_make_up_the_batch_exactly(batch_size, micro, processes):
    settings = TrainSettings(batch_size=batch_size, micro_batch_size=micro)
    if batch_size % processes:
        with pytest.raises(TrainingError, match="multiple"):
            micro_batch(settings, processes)
        return
    rows, passes = micro_batch(settings, processes)
    assert rows * passes * processes == batch_size
    assert 1 <= rows <= micro
