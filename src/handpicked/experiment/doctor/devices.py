"""The devices of this machine, and how many processes work would start on them."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from handpicked.errors import HandpickedError, MissingPart, first_line
from handpicked.experiment.doctor.finding import Finding, found
from handpicked.workers.devices import Device, cores, parse_devices
from handpicked.workers.machine import GIB, Machine, assumed, this_machine

SECTION = "Devices"


def machine_here(assume: str | None = None) -> Machine:
    """This machine with all of its devices, or the one that ``assume`` writes as ``8xH100-80GB``. Without
    torch, which alone could find a GPU, a CPU. Raises ConfigError.
    """
    if assume is not None:
        return assumed(assume)
    try:
        return this_machine(parse_devices("all"))
    except MissingPart:
        return this_machine((Device("cpu"),))


def devices(machine: Machine) -> Iterator[Finding]:
    """Python, the CPU, every GPU with its memory, and the processes that work starts."""
    yield found(SECTION, "python", True, f"{platform.python_version()} on {platform.platform()}")
    memory = this_machine((Device("cpu"),)).memory
    said = f", {memory / GIB:.1f} GiB of memory" if memory else ""
    yield found(SECTION, "CPU", True, f"{cores()} cores for this process{said}")
    yield from [found(SECTION, "assumed", True, machine.name)] if machine.assumed else _gpus()
    yield found(SECTION, "processes", True, _processes(machine))


def _gpus() -> Iterator[Finding]:
    try:
        import torch
    except ImportError:
        yield found(SECTION, "GPU", False, "unknown without torch: pip install 'handpicked[train]'")
        return
    try:
        seen = parse_devices("all")
    except HandpickedError as error:
        yield Finding(SECTION, "GPU", "wrong", first_line(error))
        return
    for device in seen:
        if device.kind == "cuda":
            about = torch.cuda.get_device_properties(device.index)
            yield found(
                SECTION, f"GPU {device.index}", True, f"{about.name}, {about.total_memory / GIB:.0f} GiB"
            )
    if seen[0].kind == "mps":
        yield found(SECTION, "GPU", True, "Apple GPU, which shares the machine's memory")
    if seen[0].kind == "cpu":
        yield found(SECTION, "GPU", False, "none that torch sees; training and generation use the CPU")


def _processes(machine: Machine) -> str:
    number = len(machine.devices)
    if not machine.gpu or number == 1:
        return "one for scoring, generation and training (more for scoring: --devices cpu:2)"
    return (
        f"scoring and generation start {number}, one a device; training starts one where an arm fits on a "
        f"device, {number} arms side by side, else {number} that share it (FSDP2)"
    )
