"""How long work takes, by the measured speed of this CPU or the assumed one of a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from handpicked.config import GenerateSettings, TrainSettings
from handpicked.experiment.planning import speeds
from handpicked.experiment.planning.speeds import CpuSpeed, GpuSpeed, Hardware, machine_for
from handpicked.train.estimate import ModelSize

SLOW, FAST = CpuSpeed(1e10, 1e9), CpuSpeed(2e10, 2e9)
SMALL = ModelSize(100_000_000, 10, 512, 2048, 32_000, 1_000_000)


def test_a_cpu_is_measured_by_products_and_by_the_weights_it_reads(monkeypatch):
    monkeypatch.setattr(speeds, "fastest", lambda work: work() is None or 0.001)
    one, half = speeds.measured_cpu(), speeds.measured_cpu(2)
    assert one.operations == pytest.approx(0.75 * 2 * 1024 * 768 * 768 / 0.001)
    assert one.bytes == pytest.approx(4 * 40 * 1536 * 576 / 0.001)
    assert half.operations == one.operations / 2 and half.bytes == one.bytes / 2


def test_the_measured_products_are_as_many_as_numpy_makes():
    """Within a factor that a busy machine and another thread count explain, and never nothing."""
    left, right = np.ones((1024, 768), np.float32), np.ones((768, 768), np.float32)
    seconds = speeds.fastest(lambda: left @ right)
    rate = 2 * 1024 * 768 * 768 / seconds
    assert rate / 20 < speeds.measured_cpu().operations < rate * 20


def test_twice_the_speed_takes_half_the_time_beside_start_and_loading():
    train = TrainSettings(method="lora", batch_size=2, micro_batch_size=2, learning_rate=1e-3)
    trained = [
        speeds.train_seconds(SMALL, train, 6000, 24, ranks=1, speed=speed) - speeds.TRAIN_START
        for speed in (SLOW, FAST)
    ]
    assert trained[0] == pytest.approx(2 * trained[1])
    assert trained[0] == pytest.approx(4 * 1e8 * 6000 / 1e10 + 24 * 20 * 4e8 / 1e9)
    answers = GenerateSettings(max_new_tokens=10, batch_size=4)
    slow, fast = (speeds.generate_seconds(10**8, 8, 100, answers, speed) for speed in (SLOW, FAST))
    assert slow == pytest.approx(2 * fast)
    assert slow == pytest.approx(20 * (3.3 * 4e8 / 1e9 + 2e8 * 4 / 1e10) + 2e8 * 100 / 1e10)
    assert speeds.forward_hours(3600, [10**8, 10**8], SLOW) == pytest.approx(2 * 0.02, abs=1e-3)
    assert speeds.forward_hours(3600, [10**8, None], SLOW) is None


def test_a_model_too_large_for_a_cpu_is_planned_on_a_gpu():
    assert speeds.forward_seconds(7 * 10**9, 1000, SLOW) == speeds.forward_seconds(
        7 * 10**9, 1000, GpuSpeed()
    )
    assert speeds.load_seconds(7 * 10**9, SLOW) == 21
    assert speeds.forward_seconds(10**8, 1000, SLOW) > speeds.forward_seconds(10**8, 1000, GpuSpeed())


def test_an_assumed_machine_is_not_measured(monkeypatch):
    monkeypatch.setattr(speeds, "measured_cpu", lambda devices: pytest.fail("this CPU was measured"))
    assert Hardware.of(machine_for(assume="8xH100")).speed == GpuSpeed()


def test_the_parts_of_this_cpu_share_its_speed(monkeypatch):
    monkeypatch.setattr(speeds, "measured_cpu", lambda devices: CpuSpeed(8 / devices, 4 / devices))
    assert Hardware.of(machine_for("cpu:4")).speed == CpuSpeed(2, 1)
