"""How a stage reports its progress, without knowing who shows it.

A stage takes ``progress: Progress = SILENT`` and wraps its loop: ``with progress("train longest", total=120)
as step: step(1)``. The command line passes a bar on stderr with the remaining time; tests and the Python API
pass nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Opens a bar of ``total`` units (``None``: unknown) and gives the function that advances it."""

    def __call__(
        self, label: str, total: float | None
    ) -> AbstractContextManager[Callable[[float], None]]: ...


@contextmanager
def SILENT(label: str, total: float | None) -> Iterator[Callable[[float], None]]:  # noqa: N802
    """A progress that nobody sees."""
    del label, total
    yield lambda _: None


def duration(seconds: float) -> str:
    """``48 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
