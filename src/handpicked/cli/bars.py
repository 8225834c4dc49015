"""Progress with the remaining time on stderr: bars in a terminal, occasional lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from handpicked.cli.terminal import Volume, say, volume
from handpicked.progress import SILENT, Progress, duration

EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def bars(every: float = EVERY) -> Iterator[Progress]:
    """Progress bars with the remaining time on stderr; where that is not a terminal, a line ``every`` so many
    seconds; silence with ``-q``.
    """
    if volume() is Volume.QUIET:
        yield SILENT
    elif sys.stderr.isatty():
        with _drawn() as progress:
            yield progress
    else:
        with _lines(every) as progress:
            yield progress


@contextmanager
def _drawn() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as shown:

        @contextmanager
        def bar(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
            task = shown.add_task(label, total=total)
            try:
                yield lambda done: shown.advance(task, done)
            finally:
                shown.remove_task(task)

        yield bar


@dataclass
class _Open:
    """Running work: ``done`` of ``total`` units (None: unknown) since ``began``, in seconds."""

    label: str
    total: float | None
    began: float
    done: float = 0.0

    def line(self, now: float) -> str:
        """How much is done, and the time left at the speed so far."""
        spent = now - self.began
        if self.total is None or self.total <= 0:
            return f"{self.label}: {self.done:,.0f} done, {duration(spent)} so far"
        share = min(1.0, self.done / self.total)
        left = (
            f"some {duration(spent * (1 - share) / share)} left" if share > 0 else "time left not known yet"
        )
        return f"{self.label}: {self.done:,.0f} of {self.total:,.0f} ({share:.0%}), {duration(spent)} so far, {left}"


@contextmanager
def _lines(every: float) -> Iterator[Progress]:
    """Prints a line on all running work from a thread, since a step may take longer than ``every``."""
    open_: list[_Open] = []
    ended = threading.Event()

    def print_lines() -> None:
        while not ended.wait(every):
            for one in tuple(open_):
                say(one.line(time.monotonic()))

    @contextmanager
    def bar(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
        mine = _Open(label, total, time.monotonic())
        open_.append(mine)

        def advance(done: float) -> None:
            mine.done += done

        try:
            yield advance
        finally:
            open_.remove(mine)

    thread = threading.Thread(target=print_lines, name="progress lines", daemon=True)
    thread.start()
    try:
        yield bar
    finally:
        ended.set()
        thread.join()
