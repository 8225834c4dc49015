"""Progress bars with the remaining time on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handpicked.progress import SILENT, Progress


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars with the remaining time on stderr; silence when that is no terminal."""
    if not sys.stderr.isatty():
        yield SILENT
        return
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
