"""What a worker does, wherever it is: reads a part ahead in a thread, while it computes another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pyarrow as pa

from handpicked._version import __version__
from handpicked.errors import HandpickedError, first_line
from handpicked.workers.parts import Part, Task, Work


class DeviceTrouble(Exception):
    """A device that is busy or out of memory: no fault of the task, and perhaps none of another device."""


@dataclass
class Worker:
    """Does parts of a task, one after the other."""

    task: Task
    _work: Work | None = None
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "read ahead"))
    _read: dict[int, Future[Any]] = field(default_factory=dict)

    def __call__(self, part: Part, following: Part | None, step: Callable[[float], None]) -> pa.Table:
        """The table of ``part``. ``following`` is read meanwhile: likely it comes next.

        Raises:
            DeviceTrouble: the device is busy or its memory too small.
            HandpickedError: as the task does.
        """
        with _trouble():
            for unwanted in set(self._read) - {part.number}:
                self._read.pop(unwanted).cancel()
            ready = self._ahead(part).result()
            del self._read[part.number]
            if following is not None:
                self._ahead(following)
            assert self._work is not None
            return self._work.compute(ready, step)

    def _ahead(self, part: Part) -> Future[Any]:
        if part.number not in self._read:
            self._read[part.number] = self._reader.submit(self._prepare, part)
        return self._read[part.number]

    def _prepare(self, part: Part) -> Any:
        if self._work is None:
            self._work = self.task.open()
        return self._work.read(part)

    def close(self) -> None:
        """End the thread that reads."""
        self._reader.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def _trouble() -> Iterator[None]:
    """Distinguish what a device refuses from what is wrong with the task."""
    try:
        yield
    except HandpickedError:
        raise
    except MemoryError as error:
        raise DeviceTrouble("out of memory") from error
    except (RuntimeError, OSError) as error:
        if any(sign in str(error) for sign in REFUSALS):
            raise DeviceTrouble(first_line(error)) from error
        raise


REFUSALS = (
    "out of memory", "can't allocate memory", "Cannot allocate memory", "not enough memory",
    "busy or unavailable", "CUDA error", "CUDA driver", "HIP error", "CUBLAS_STATUS", "NCCL",
)  # fmt: skip
"""What torch says (always as a RuntimeError) where a device has no room or cannot be had."""


def releases(libraries: Sequence[str]) -> dict[str, str]:
    """The release of handpicked and of each library, or ``missing``: workers must agree on them."""
    found = {"handpicked": __version__}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found
