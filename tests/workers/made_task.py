"""A task that squares numbers, notes every part that it begins, and fails where a test wants it to."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from handpicked.errors import ConfigError
from handpicked.workers import PartFiles, Workers, run_parts, with_facts


@dataclass(frozen=True)
class Squares:
    """Numbers 0 to ``count``. ``mishaps``: what happens at a part, and how often."""

    folder: Path
    count: int = 40
    mishaps: dict[int, tuple[str, int]] = field(default_factory=dict)
    pause: float = 0.0
    name: str = "squares"
    items: str = "numbers"
    libraries: Sequence[str] = ("numpy",)

    def open(self):
        return SquaresWork(self)

    @property
    def begun(self) -> list[int]:
        """The numbers of the parts that were begun, by whichever worker."""
        log = self.folder / "begun"
        return [int(line) for line in log.read_text().split()] if log.exists() else []


@dataclass
class SquaresWork:
    task: Squares

    def read(self, part):
        return part, list(range(part.first, part.end))

    def compute(self, ready, step):
        part, numbers = ready
        with (self.task.folder / "begun").open("a") as log:
            log.write(f"{part.number}\n")
        kind, times = self.task.mishaps.get(part.number, ("", 0))
        if self.task.begun.count(part.number) <= times:
            mishap(kind, self.task.folder)
        for _ in numbers:
            time.sleep(self.task.pause / len(numbers))
            step(1)
        return with_facts(
            pa.table({"square": [number * number for number in numbers]}), {"sum": sum(numbers)}
        )


def mishap(kind: str, folder: Path) -> None:
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "no memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if kind == "mistake":
        raise ConfigError("the template refuses this row.")
    if kind == "shows a key":
        key = os.environ["MADE_API_KEY"]
        sys.stdout.write(f"printed {key}\n")
        sys.stderr.write(f"complained {key}\n")
        logging.getLogger("made").warning("logged %s", key)
        raise KeyError(f"nobody takes {key}")
    if kind == "bug":
        raise KeyError("nobody foresaw this")
    if kind == "no folder":
        parts = next(folder.glob("parts-of-*"))
        parts.rename(folder / "elsewhere")
        parts.write_text("a file in its place")


def run(task: Squares, devices: str = "cpu:2", size: int = 4, progress=None) -> PartFiles:
    from handpicked.progress import SILENT

    files = PartFiles.of(task.folder, [task.count], size)
    return run_parts(task, files, Workers(devices=devices), progress or SILENT)


def bytes_of(files: PartFiles) -> list[bytes]:
    return [files.file(part).read_bytes() for part in files.parts]
