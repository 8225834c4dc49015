"""Decides how to start a training on a machine, and what to change where it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from handpicked.config import TrainSettings
from handpicked.train.estimate import GIB, Work, estimate
from handpicked.workers.machine import USABLE, Machine

Kind = Literal["one", "ddp", "fsdp", "file"]
KINDS: Mapping[str, Kind] = {"one": "one", "ddp": "ddp", "fsdp": "fsdp"}
"""The ways that ``train.launch`` names outright; ``auto`` chooses one, anything else is a file."""


@dataclass(frozen=True)
class Fit:
    """``kind`` of start with ``ranks`` processes, ``memory`` bytes on the device of each (None: unknown).

    ``fits`` is None where the memory of the devices, or of the training, is not known; ``advice`` says what
    would fit where it does not.
    """

    kind: Kind
    ranks: int
    memory: int | None = None
    fits: bool | None = None
    advice: str = ""


def fit(settings: TrainSettings, machine: Machine, work: Work | None) -> Fit:
    """How a training is started by ``train.launch`` on ``machine``. ``auto``: on one device where it fits
    there, else by FSDP2 on as many as share the batch evenly; always on one CPU.

    ``work`` is None where the size of the model is not known.
    """
    found = _start(settings, machine, work)
    if work is None or found.kind == "file":
        return found
    memory = _memory(work, settings, machine, found)
    if machine.room is None:
        return replace(found, memory=memory)
    fits = memory <= machine.room
    return replace(
        found,
        memory=memory,
        fits=fits,
        advice="" if fits else _advice(settings, machine, work, memory, found.ranks),
    )


def even_ranks(settings: TrainSettings, machine: Machine) -> int:
    """The most devices that share the batch evenly."""
    return next(n for n in range(len(machine.devices), 0, -1) if settings.batch_size % n == 0)


def _start(settings: TrainSettings, machine: Machine, work: Work | None) -> Fit:
    number = len(machine.devices)
    kind = KINDS.get(settings.launch)
    if kind is not None:
        return Fit("one", 1) if kind == "one" or number == 1 else Fit(kind, number)
    if settings.launch != "auto":
        return Fit("file", number)
    ranks = even_ranks(settings, machine)
    if not machine.gpu or ranks == 1 or settings.method == "qlora" or work is None or machine.room is None:
        return Fit("one", 1)
    alone = Fit("one", 1)
    return alone if _memory(work, settings, machine, alone) <= machine.room else Fit("fsdp", ranks)


def _memory(work: Work, settings: TrainSettings, machine: Machine, start: Fit) -> int:
    """Bytes on each device."""
    per_weight = 2 if machine.gpu else 4
    return estimate(
        work, settings, bytes_per_weight=per_weight, ranks=start.ranks, sharded=start.kind == "fsdp"
    ).memory


def _advice(settings: TrainSettings, machine: Machine, work: Work, memory: int, ranks: int) -> str:
    """What would fit on the machine, each with the memory that it takes on a device."""
    fitting = [
        f"{said} ({needed / GIB:.1f} GiB)"
        for said, other in _others(settings)
        if (needed := _least(other, machine, work)) <= (machine.room or 0)
    ]
    short = (
        f"{settings.method} training takes {memory / GIB:.1f} GiB on {'a' if ranks == 1 else 'each'} "
        f"device, more than {USABLE:.0%} of "
        f"{machine.name}."
    )
    if not fitting:
        return (
            f"{short} Nothing that train offers fits there: take more or larger devices, or a smaller model."
        )
    return f"{short} These would fit: {'; '.join(fitting)}."


def _least(settings: TrainSettings, machine: Machine, work: Work) -> int:
    return _memory(work, settings, machine, _start(settings, machine, work))


def _others(settings: TrainSettings) -> Iterator[tuple[str, TrainSettings]]:
    """Settings that take less memory than these, the mildest change first."""

    def but(**changes: object) -> TrainSettings:
        return settings.model_copy(update={"launch": "auto", **changes})

    if settings.launch != "auto":
        yield "train.launch: auto", but()
    thrifty = {"micro_batch_size": 1, "gradient_checkpointing": True}
    if any(getattr(settings, name) != value for name, value in thrifty.items()):
        yield "train.micro_batch_size: 1 with train.gradient_checkpointing: true", but(**thrifty)
    if settings.method == "full":
        yield "train.method: lora", but(method="lora")
    if settings.method != "qlora":
        yield "train.method: qlora", but(method="qlora")
