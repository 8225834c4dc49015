"""Which worker does which part next, and what happens when one is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from handpicked.errors import WorkerError
from handpicked.workers.parts import Part, Task, runs

TRIES = 3
"""How often a part is begun before the task ends with an error."""


@dataclass
class Schedule:
    """The parts that wait. A worker goes on where it stopped, so that it reads its rows in one sweep;
    otherwise it takes the middle of the longest stretch that waits.
    """

    task: Task
    parts: Sequence[Part]
    waiting: dict[int, Part] = field(init=False)
    working: dict[str, Part] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _failed: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = {part.number: part for part in self.parts}

    @property
    def over(self) -> bool:
        """Whether no part waits and none is worked on."""
        return not self.waiting and not self.working

    def take(self, worker: str) -> Part | None:
        """The next part for a worker, which it holds from now on; None: there is none."""
        part = self.waiting.get(self._last.get(worker, -1) + 1) or self._from_a_stretch()
        if part is not None:
            del self.waiting[part.number]
            self.working[worker], self._last[worker] = part, part.number
        return part

    def following(self, worker: str) -> Part | None:
        """The part that the worker will take next unless another one does."""
        return self.waiting.get(self._last[worker] + 1)

    def done(self, worker: str) -> Part:
        """The worker has finished the part that it holds."""
        return self.working.pop(worker)

    def lost(self, worker: str, why: str) -> None:
        """The worker did not finish its part: it waits for another one.

        Raises WorkerError where it has been begun too often.
        """
        part = self.working.pop(worker, None)
        if part is None:
            return
        self.waiting = dict(sorted({**self.waiting, part.number: part}.items()))
        tries = self._failed.setdefault(part.number, [])
        tries.append(f"{worker}: {why}")
        if len(tries) < TRIES:
            return
        raise WorkerError(
            f"{self.task.name}: part {part.number + 1:,} ({self.task.items} "
            f"{part.first + 1:,} to {part.end:,}) was "
            f"begun {TRIES} times and not finished: {'; '.join(dict.fromkeys(tries))}. Finished work is kept: "
            "run the same command again, with other --devices or a smaller model if it fails again."
        )

    def _from_a_stretch(self) -> Part | None:
        """The first part of the longest stretch, or its middle where another worker is about to do the first."""
        stretch = max(runs(list(self.waiting.values())), key=len, default=())
        if not stretch:
            return None
        begun = any(part.number == stretch[0].number - 1 for part in self.working.values())
        return stretch[len(stretch) // 2 if begun else 0]
