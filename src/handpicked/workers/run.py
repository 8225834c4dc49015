"""Where work in parts is done: in this process, by a process a device, or by Ray actors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from handpicked.errors import WorkerError
from handpicked.progress import Progress
from handpicked.workers.devices import Device, parse_devices
from handpicked.workers.parts import Part, PartFiles, Task
from handpicked.workers.processes import run_processes
from handpicked.workers.ray_actors import run_on_ray
from handpicked.workers.worker import DeviceTrouble, Worker

HERE = "here"


@dataclass(frozen=True)
class Workers:
    """Where to work: ``devices`` of this machine (see ``parse_devices``; ``here``: in this process, with any
    devices), or with ``ray`` the cluster at ``address`` (None: the one that Ray finds, else a new one on this
    machine). Not part of any fingerprint.
    """

    runner: Literal["native", "ray"] = "native"
    address: str | None = None
    devices: str = "all"


THIS_MACHINE = Workers()
"""All devices of this machine."""
THIS_PROCESS = Workers(devices=HERE)
"""For work that uses all devices itself."""


def run_parts(task: Task, files: PartFiles, workers: Workers, progress: Progress) -> PartFiles:
    """Have every part of ``task`` done that has no file yet. Nothing is loaded where none is missing.

    Raises:
        ConfigError, MissingPart: devices or a cluster that are not there.
        WorkerError: workers died or refused too often; finished work is kept.
        HandpickedError: as the task does.
    """
    missing = files.missing()
    total = sum(map(len, files.parts))
    with progress(f"{task.name} ({task.items})", total) as step:
        step(total - sum(map(len, missing)))
        if missing:
            _run(task, files, missing, workers, step)
    return files


def _run(
    task: Task, files: PartFiles, missing: Sequence[Part], workers: Workers, step: Callable[[float], None]
) -> None:
    if workers.runner == "ray":
        run_on_ray(task, files, missing, workers.address, step)
        return
    here = workers.devices == HERE
    devices = parse_devices("all" if here else workers.devices)
    if here or (len(devices) == 1 and devices == parse_devices("all")):
        run_here(task, files, missing, devices[0], step)
        return

    run_processes(task, files, missing, devices, step)


def run_here(
    task: Task, files: PartFiles, missing: Sequence[Part], device: Device, step: Callable[[float], None]
) -> None:
    """Do the missing parts in this process, on its default device."""
    worker = Worker(task)
    try:
        for part, following in zip(missing, [*missing[1:], None], strict=True):
            counted = 0.0

            def count(items: float) -> None:
                nonlocal counted
                counted += items
                step(items)

            files.write(part, worker(part, following, count))
            step(len(part) - counted)
    except DeviceTrouble as error:
        raise WorkerError(
            f"{task.name}: {device.name} refused part {part.number + 1:,} "
            f"({task.items} {part.first + 1:,} to "
            f"{part.end:,}): {error}. Finished work is kept: run the same command "
            "again when the device is free, "
            "or with other --devices or a smaller model."
        ) from error
    finally:
        worker.close()
