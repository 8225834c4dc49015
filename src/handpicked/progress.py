"""How a stage reports its progress, independent of how it is shown.

A stage takes ``progress: Progress = SILENT`` and wraps its loop: ``with progress("train longest", total=120)
as step: step(1)``. The command line passes a bar on stderr with the remaining time; the Python API passes
``shown``; tests pass nothing.
"""

from __future__ import annotations

import sys
import warnings
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
    """A progress that shows nothing."""
    del label, total
    yield lambda _: None


@contextmanager
def shown(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """A bar with the remaining time in a notebook, or on stderr where that is a terminal; elsewhere nothing."""
    notebook = in_notebook()
    if not notebook and not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import TqdmWarning
    from tqdm.auto import tqdm

    with _without(TqdmWarning), tqdm(desc=label, total=total, leave=False) as bar:
        yield bar.update


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, which shows what is written though it has no terminal."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and hasattr(running, "kernel")


@contextmanager
def _without(warning: type[Warning]) -> Iterator[None]:
    """Hide warnings of this kind: without ipywidgets the bar is plain text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", warning)
        yield


def duration(seconds: float) -> str:
    """``48 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
