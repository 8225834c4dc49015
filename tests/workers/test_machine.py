"""Machines by name, and the memory of this one."""

from __future__ import annotations

import pytest

from handpicked.errors import ConfigError
from handpicked.workers.devices import Device, parse_devices
from handpicked.workers.machine import GIB, assumed, this_machine


@pytest.mark.parametrize(
    ("written", "number", "gigabytes"),
    [
        ("8xH100-80GB", 8, 80),
        ("2 x A100-40GB", 2, 40),
        ("1xRTX4090", 1, 24),
        ("h200", 1, 141),
        ("4x24GB", 4, 24),
        ("80GB", 1, 80),
        ("2xMyCard-96GiB", 2, 96),
    ],
)
def test_a_machine_is_written_as_number_name_and_memory(written, number, gigabytes):
    machine = assumed(written)
    assert len(machine.devices) == number and machine.memory == gigabytes * GIB
    assert machine.assumed and machine.gpu and "assumed" in machine.name
    assert machine.room == pytest.approx(0.9 * gigabytes * GIB)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "is not a machine"),
        ("8x", "is not a machine"),
        ("0xH100", "is not a machine"),
        ("eight H100s, 80", "is not a machine"),
        ("2xUnknown9", "memory of 'unknown9' is not known"),
        ("8xH10", "Did you mean 'h100'"),
        ("8xH100-0GB", "holds nothing"),
    ],
)
def test_a_mistake_says_how_to_write_it(written, said):
    with pytest.raises(ConfigError, match=said) as error:
        assumed(written)
    assert "\n" not in str(error.value)


def test_workers_on_this_cpu_share_its_memory():
    one, two = this_machine(parse_devices("cpu")), this_machine(parse_devices("cpu:2"))
    assert not one.gpu and not one.assumed
    assert one.memory is None or two.memory == one.memory // 2 > 2**28
    assert two.devices == (Device("cpu", 0, 2), Device("cpu", 1, 2))
