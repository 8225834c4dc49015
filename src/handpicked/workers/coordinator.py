"""Runs the parts of a task on workers: hands them out, takes reports, replaces workers that die."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from handpicked import errors
from handpicked.errors import HandpickedError, WorkerError
from handpicked.secrets import redacted
from handpicked.workers.parts import Part, Task
from handpicked.workers.schedule import TRIES, Schedule
from handpicked.workers.worker import DeviceTrouble


@dataclass(frozen=True)
class Ready:
    """A worker that has begun, and the releases of the libraries there."""

    releases: dict[str, str]


@dataclass(frozen=True)
class Step:
    """How many items of its part are done."""

    items: float


@dataclass(frozen=True)
class Finished:
    """Its part is done and in its file."""


@dataclass(frozen=True)
class Trouble:
    """Its part is not done because of the device; ``dead``: and the worker is gone too."""

    why: str
    dead: bool = False


@dataclass(frozen=True)
class Refused:
    """The task ends with a HandpickedError, by the name of its class."""

    kind: str
    message: str

    def error(self) -> HandpickedError:
        """The error as it was raised there."""
        made = getattr(errors, self.kind, HandpickedError)
        simple = made if made is not errors.Refused else errors.TrainingError
        found: HandpickedError = simple(self.message)
        return found


@dataclass(frozen=True)
class Bug:
    """The task ends with an unexpected error; its traceback."""

    traceback: str


def bug() -> Bug:
    """The report of the exception that is being handled."""
    return Bug(redacted(traceback.format_exc()))


Made = TypeVar("Made")
Report = Ready | Step | Finished | Trouble | Refused | Bug


def reported(do: Callable[[], Made]) -> Made | Report:
    """What ``do`` returns, or the report of its failure, without keys. What a worker raises would be seen by
    nobody.
    """
    try:
        return do()
    except DeviceTrouble as error:
        return Trouble(redacted(str(error)))
    except HandpickedError as error:
        return Refused(type(error).__name__, str(error))
    except Exception:  # noqa: BLE001 (reported where it can be shown)
        return bug()


class Executor(Protocol):
    """Workers by name. Each is on a device; a name stays with its device when its worker is replaced."""

    @property
    def names(self) -> Sequence[str]:
        """The names of all workers that may be started."""
        ...

    def start(self, name: str) -> bool:
        """Start a worker, or replace it. False where no more can be started."""
        ...

    def give(self, name: str, part: Part, following: Part | None) -> None:
        """Let a worker do ``part``."""
        ...

    def report(self) -> tuple[str, Report]:
        """Wait for the next report of any worker."""
        ...


class BrokenWorker(RuntimeError):
    """A worker ended with an unexpected error. Holds its traceback."""

    @property
    def reason(self) -> str:
        """The last line of the traceback, which names the error."""
        return str(self).strip().splitlines()[-1]


def coordinate(
    executor: Executor,
    task: Task,
    missing: Sequence[Part],
    releases: dict[str, str],
    step: Callable[[float], None],
) -> None:
    """Have all ``missing`` parts done.

    Raises:
        WorkerError: a part was begun too often, workers disagree with ``releases``, or none is left.
        HandpickedError: what the task raised in a worker.
    """
    schedule = Schedule(task, missing)
    idle: list[str] = []
    deaths = dict.fromkeys(executor.names, 0)
    counted = dict.fromkeys(executor.names, 0.0)
    alive = {name for name in list(executor.names)[: len(missing)] if executor.start(name)}
    last = "no worker could be started"
    while not schedule.over:
        if not alive:
            raise WorkerError(
                f"{task.name}: no worker is left: {last}. Finished work is kept; run the same command again."
            )
        name, report = executor.report()
        match report:
            case Ready():
                _check_releases(task, name, report.releases, releases)
                idle.append(name)
            case Step():
                counted[name] += report.items
                step(report.items)
            case Finished():
                part = schedule.done(name)
                step(len(part) - counted[name])
                counted[name] = deaths[name] = 0
                idle.append(name)
            case Trouble():
                step(-counted[name])
                counted[name] = 0
                last = f"{name}: {report.why}"
                schedule.lost(name, report.why)
                deaths[name] += 1
                idle = [one for one in idle if one != name]
                if not report.dead:
                    idle.append(name)
                elif deaths[name] >= TRIES or not executor.start(name):
                    alive.discard(name)
            case Refused():
                raise report.error()
            case Bug():
                raise BrokenWorker(f"{task.name}, {name}:\n{report.traceback}")
        idle = [name for name in idle if not _given(executor, schedule, name)]


def _given(executor: Executor, schedule: Schedule, name: str) -> bool:
    part = schedule.take(name)
    if part is not None:
        executor.give(name, part, schedule.following(name))
    return part is not None


def _check_releases(task: Task, name: str, there: dict[str, str], here: dict[str, str]) -> None:
    """One result must not mix parts of different releases."""
    differ = [
        f"{library} is {there.get(library)} there and {release} here"
        for library, release in here.items()
        if there.get(library) != release
    ]
    if differ:
        raise WorkerError(
            f"{task.name}: the worker {name} has other versions: "
            f"{'; '.join(differ)}. Values could differ between "
            "parts. Install the same versions everywhere and run the same "
            "command again; finished work is kept."
        )
