"""The devices that work may be spread over, and how a process is pinned to one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from handpicked.errors import ConfigError, MissingPart

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Device:
    """One device: ``index`` counts those of its kind as this process sees them. Of a CPU it counts the
    workers that share its cores, ``workers`` in all.
    """

    kind: Literal["cuda", "mps", "cpu"]
    index: int = 0
    workers: int = 1

    @property
    def name(self) -> str:
        """Its name in messages: ``cuda:1``, ``mps``, ``cpu``, or ``cpu:1`` of several workers on the CPU."""
        many = self.kind == "cuda" or self.workers > 1
        return f"{self.kind}:{self.index}" if many else self.kind

    def environment(self, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables to add to ``inherited`` (default: those of this process) for a child that is to
        see this device alone. They count only where they are set before the child imports torch.

        A child on a GPU sees it as ``cuda:0``. One on the CPU sees no GPU, and gets its share of the cores,
        or the threads that the user has set where these are fewer.
        """
        before = os.environ if inherited is None else inherited
        if self.kind == "cuda":
            return {VISIBLE: _names(before)[self.index] if before.get(VISIBLE) else str(self.index)}
        if self.kind == "mps":
            return {}
        threads = max(1, cores() // self.workers)
        given = before.get(THREADS, "")
        return {VISIBLE: "", THREADS: str(min(threads, int(given)) if given.isdigit() else threads)}


def parse_devices(written: str) -> tuple[Device, ...]:
    """The devices that ``--devices`` names: ``all`` (every visible GPU, else Apple's, else the CPU), GPUs by
    number (``0`` or ``0,1``), ``cpu``, or ``cpu:2`` for two workers that share its cores.

    Numbers are those of this process: under CUDA_VISIBLE_DEVICES=2,3 they are 0 and 1. Raises ConfigError for
    what is none of these and for a GPU that is not there, MissingPart where torch is needed and not
    installed.
    """
    text = written.strip().lower()
    if text == "all":
        return _all()
    if workers := re.fullmatch(r"cpu(?::([0-9]+))?", text):
        number = int(workers[1] or 1)
        if not number:
            raise ConfigError(f"devices '{written}': no worker would do the work. Give cpu:1 or more.")
        return tuple(Device("cpu", worker, number) for worker in range(number))
    if not re.fullmatch(r"[0-9]+(\s*,\s*[0-9]+)*", text):
        raise ConfigError(
            f"devices '{written}' names no device. Give all, the numbers of GPUs such as 0,1, or cpu:2."
        )
    numbers = [int(number) for number in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"devices '{written}' names a GPU twice. Give each number once.")
    there = gpus()
    if absent := [str(number) for number in numbers if number >= there]:
        seen = f"GPUs 0 to {there - 1}" if there > 1 else "one GPU, 0" if there else "no GPU"
        raise ConfigError(
            f"devices '{written}': there is no GPU {', '.join(absent)}; this process sees {seen}. "
            "Give all, or cpu:2 for workers on the CPU."
        )
    return tuple(Device("cuda", number) for number in numbers)


def visible(written: str) -> dict[str, str]:
    """The variables for a child that is to see all devices that ``--devices`` names (see ``parse_devices``);
    none for ``all``.
    """
    if written == "all":
        return {}
    each = [device.environment() for device in parse_devices(written)]
    return {VISIBLE: ",".join(one.get(VISIBLE, "") for one in each).strip(",")}


def gpus() -> int:
    """The NVIDIA or AMD GPUs that this process sees; no context is made on them. Raises MissingPart."""
    return int(_torch().cuda.device_count())


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _all() -> tuple[Device, ...]:
    if number := gpus():
        return tuple(Device("cuda", index) for index in range(number))
    return (Device("mps" if _torch().backends.mps.is_available() else "cpu"),)


def _names(environment: Mapping[str, str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES lists: numbers, or the ids of GPUs and of their MIG slices."""
    return [name.strip() for name in environment[VISIBLE].split(",")]


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingPart("Looking for GPUs needs torch: pip install 'handpicked[lm]'") from None
    return torch
