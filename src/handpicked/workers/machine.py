"""A machine to plan for: this one, or another."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handpicked.errors import ConfigError, did_you_mean
from handpicked.workers.devices import Device

GIB = 1024**3
USABLE = 0.9
"""Share of a device's memory that work may take: the rest goes to the driver and to fragmentation."""
MEASURED = 0.2
"""Seconds that measuring a speed takes."""
MEMORY: Mapping[str, int] = {
    "a10": 24, "a100": 80, "a40": 48, "b200": 180, "gb200": 186, "h100": 80, "h200": 141, "l4": 24, "l40": 48,
    "l40s": 48, "mi250x": 128, "mi300x": 192, "rtx3090": 24, "rtx4090": 24, "rtx5090": 32, "rtx6000": 48,
    "t4": 16, "v100": 32,
}  # fmt: skip
"""GB of well-known devices, as their makers sell them; of those sold with two sizes the larger."""


@dataclass(frozen=True)
class Machine:
    """``devices`` of one kind with ``memory`` bytes each (None: unknown). ``name`` says what they are;
    ``assumed`` that they need not be here.
    """

    devices: tuple[Device, ...]
    memory: int | None
    name: str
    assumed: bool = False

    @property
    def gpu(self) -> bool:
        """Whether its devices are GPUs."""
        return self.devices[0].kind != "cpu"

    @property
    def room(self) -> float | None:
        """Bytes of each device that work may take; None where that is unknown."""
        return None if self.memory is None else USABLE * self.memory


CPU = Machine((Device("cpu"),), None, "a CPU")
"""One CPU of unknown memory."""


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several tries: what the others take longer is other work's."""
    took: list[float] = []
    while len(took) < 5 or sum(took) < MEASURED:
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return min(took)


def this_machine(devices: Sequence[Device]) -> Machine:
    """This machine with those devices; needs torch where they are GPUs."""
    number, kind = len(devices), devices[0].kind
    if kind == "cpu":
        workers = f", {number} workers" if number > 1 else ""
        return Machine(tuple(devices), ram() // number if ram() else None, f"this machine's CPU{workers}")
    import torch

    if kind == "mps":
        return Machine(tuple(devices), torch.mps.recommended_max_memory(), "this machine's Apple GPU")
    each = [torch.cuda.get_device_properties(device.index) for device in devices]
    least = min(int(one.total_memory) for one in each)
    return Machine(tuple(devices), least, f"{number} x {each[0].name} ({least / GIB:.0f} GiB)")


def assumed(written: str) -> Machine:
    """A machine as ``8xH100-80GB`` or ``1x24GB`` writes it, or ``2xA100`` where the table knows its memory.

    Raises ConfigError for anything else.
    """
    found = re.fullmatch(
        r"(?:([0-9]+)\s*x\s*)?([a-z][a-z0-9_ -]*?)??(?:-?([0-9]+)\s*gi?b)?", written.strip().lower()
    )
    if found is None or not (found[2] or found[3]) or found[1] == "0":
        raise ConfigError(
            f"--assume '{written}' is not a machine. Write how many GPUs, their name and memory: 8xH100-80GB."
        )
    number, name, memory = int(found[1] or 1), found[2], found[3]
    if memory is None and name not in MEMORY:
        raise ConfigError(
            f"--assume '{written}': the memory of '{name}' is not known; add "
            f"it, such as {number}x{name}-80GB." + did_you_mean(name, MEMORY)
        )
    size = int(memory or MEMORY[name])
    if not size:
        raise ConfigError(f"--assume '{written}': a device of 0 GB holds nothing. Write its memory in GB.")
    called = f"{number} x {name.upper() + ' ' if name else ''}{size} GB (assumed)"
    return Machine(tuple(Device("cuda", index) for index in range(number)), size * GIB, called, assumed=True)


def ram() -> int:
    """Bytes of memory that this machine has, or that its container may use; 0 where it does not say."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
