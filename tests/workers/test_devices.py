"""Which devices a text names, and what a child pinned to one of them sees."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from handpicked.errors import ConfigError
from handpicked.workers import devices
from handpicked.workers.devices import Device, cores, parse_devices

torch = pytest.importorskip("torch", reason="needs the lm extra")


@pytest.fixture
def four_gpus(monkeypatch):
    """As on a machine with four GPUs: only how many there are is asked of the driver."""
    monkeypatch.setattr(devices, "gpus", lambda: 4)


def test_all_is_every_gpu(four_gpus):
    assert [device.name for device in parse_devices("all")] == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]


def test_all_is_the_cpu_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert parse_devices("all") == (Device("cpu"),)
    assert parse_devices("all")[0].name == "cpu"


def test_gpus_are_taken_by_number_in_the_order_given(four_gpus):
    assert parse_devices(" 2, 0 ") == (Device("cuda", 2), Device("cuda", 0))


def test_workers_on_the_cpu_need_no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert [device.name for device in parse_devices("cpu:3")] == ["cpu:0", "cpu:1", "cpu:2"]
    assert parse_devices("cpu") == parse_devices("cpu:1") == (Device("cpu"),)


@pytest.mark.parametrize(
    "written, said",
    [
        ("", "names no device"),
        ("gpu", "names no device"),
        ("0;1", "names no device"),
        ("-1", "names no device"),
        ("cpu:0", "no worker"),
        ("cpu:two", "names no device"),
        ("1,1", "names a GPU twice"),
        ("1,4,9", "no GPU 4, 9; this process sees GPUs 0 to 3"),
    ],
)
def test_a_mistake_says_what_to_give(four_gpus, written, said):
    with pytest.raises(ConfigError, match=said) as error:
        parse_devices(written)
    assert "\n" not in str(error.value) and "Give" in str(error.value)


def test_a_machine_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: 0)
    with pytest.raises(ConfigError, match="no GPU 0; this process sees no GPU"):
        parse_devices("0")


def test_a_number_is_one_of_the_gpus_that_this_process_sees():
    assert Device("cuda", 1).environment({}) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert Device("cuda", 1).environment({"CUDA_VISIBLE_DEVICES": "5, GPU-8f2"}) == {
        "CUDA_VISIBLE_DEVICES": "GPU-8f2"
    }


def test_workers_on_the_cpu_share_its_cores():
    share = str(max(1, cores() // 2))
    first, second = parse_devices("cpu:2")
    assert first.environment({}) == {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": share}
    assert second.environment({"OMP_NUM_THREADS": "1"})["OMP_NUM_THREADS"] == "1"
    assert second.environment({"OMP_NUM_THREADS": "9999"})["OMP_NUM_THREADS"] == share


def test_a_child_has_the_threads_and_devices_of_its_environment():
    """Really started: torch in the child counts no GPU and the stated threads."""
    device = parse_devices(f"cpu:{cores()}")[0]
    found = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.device_count(), torch.get_num_threads())"],
        env={**os.environ, **device.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["0", "1"]
