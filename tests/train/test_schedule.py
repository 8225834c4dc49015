"""Learning rates: warm-up rounded down and never everything, the sums that follow, and schedules
as transformers has them.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.config import FEW_STEPS, TrainSettings
from handpicked.errors import TrainingError
from handpicked.train.schedule import TRANSFORMERS, Schedule, refuse_still, schedule, warmup_steps


@pytest.mark.parametrize(
    ("steps", "ratio", "expected"),
    [
        (1, 0.03, 0),  # transformers rounds up: the only step at rate 0
        (2, 0.03, 0),
        (33, 0.03, 0),
        (34, 0.03, 1),
        (100, 0.03, 3),
        (100, 0.29, 29),  # 0.29 * 100 is 28.999999999999996 in floating point
        (1, 0.99, 0),
        (2, 0.99, 1),
        (1000, 0.9999, 999),
        (10, 0.0, 0),
        (0, 0.5, 0),
        (10, 1e-5, 0),  # Python writes it with an exponent
    ],
)
def test_warmup_steps_are_rounded_down(steps, ratio, expected):
    assert warmup_steps(steps, ratio) == expected


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_warmup_is_never_everything_and_the_sum_never_zero(steps, ratio):
    warmup = warmup_steps(steps, ratio)
    assert 0 <= warmup < steps and warmup <= steps * ratio + 1e-6
    for shape in TRANSFORMERS:
        assert Schedule(steps, warmup, 2e-5, shape).rate_sum >= 2e-5


@pytest.mark.parametrize(
    ("steps", "settings", "expected"),
    [
        (1, {}, 2e-4),
        (2, {}, 3e-4),  # cosine: 1 and 1/2 of the peak
        (3, {"method": "full"}, 2e-5 * (1 + 0.75 + 0.25)),
        (4, {"scheduler": "linear", "learning_rate": 1.0}, 1 + 0.75 + 0.5 + 0.25),
        (4, {"scheduler": "constant", "learning_rate": 1.0}, 4),
        (4, {"scheduler": "constant", "learning_rate": 1.0, "warmup_ratio": 0.5}, 0 + 0.5 + 1 + 1),
    ],
)
def test_the_sum_of_the_rates(steps, settings, expected):
    assert schedule(steps, TrainSettings(**settings)).rate_sum == pytest.approx(expected)


@pytest.mark.parametrize("shape", list(TRANSFORMERS))
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (2, 1), (7, 0), (40, 3)])
def test_the_rates_are_those_of_transformers(shape, steps, warmup):
    torch = pytest.importorskip("torch")
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = get_scheduler(TRANSFORMERS[shape], optimizer, warmup, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert list(Schedule(steps, warmup, 0.5, shape).rates()) == pytest.approx(rates, abs=1e-12)


def test_steps_that_move_nothing_are_refused_with_the_reason():
    with pytest.raises(TrainingError, match=r"2 optimizer steps .* add up to 1.5e-30 .*train.learning_rate"):
        refuse_still(schedule(2, TrainSettings(learning_rate=1e-30)))
    with pytest.raises(TrainingError, match="no row"):
        refuse_still(schedule(0, TrainSettings()))
    refuse_still(schedule(1, TrainSettings(learning_rate=1e-8)))


def test_the_default_rate_is_that_of_the_method_and_its_origin_is_reported():
    said = {method: TrainSettings(method=method) for method in ("full", "lora", "qlora")}
    assert {name: one.peak_rate for name, one in said.items()} == {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
    assert said["full"].rate_origin == "default for full" and said["lora"].learning_rate is None
    given_ = TrainSettings(learning_rate=2e-4)
    assert (given_.peak_rate, given_.rate_origin) == (2e-4, "as set")
    assert given_.resolved() == TrainSettings().resolved() == given_
    assert TrainSettings().model_copy(update={"method": "full"}).peak_rate == 2e-5
    assert FEW_STEPS == 10
