"""Workers as processes of this machine, each pinned to one device.

A worker is a fresh interpreter, not a fork: CUDA must see its device alone before torch is imported. It takes
its parts over its standard input and ends when that closes, so that none outlives the process that began it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from handpicked.secrets import guard_process
from handpicked.workers.coordinator import (
    Bug,
    Finished,
    Ready,
    Report,
    Step,
    Trouble,
    bug,
    coordinate,
    reported,
)
from handpicked.workers.devices import Device
from handpicked.workers.parts import Part, PartFiles, Task
from handpicked.workers.worker import Worker, releases

COMMAND = "from handpicked.workers.processes import serve; serve()"


def run_processes(
    task: Task,
    files: PartFiles,
    missing: Sequence[Part],
    devices: Sequence[Device],
    step: Callable[[float], None],
) -> None:
    """Have the missing parts done by one process a device. Raises as ``coordinator.coordinate`` does."""
    executor = Processes(task, files, {device.name: device for device in devices})
    try:
        coordinate(executor, task, missing, releases(task.libraries), step)
    finally:
        executor.stop()


@dataclass
class Processes:
    """One process a device. What a process prints goes to a file beside the parts."""

    task: Task
    files: PartFiles
    devices: dict[str, Device]
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _reports: queue.Queue[tuple[str, Report]] = field(default_factory=queue.Queue)

    @property
    def names(self) -> Sequence[str]:
        """See ``Executor``."""
        return list(self.devices)

    def start(self, name: str) -> bool:
        """See ``Executor``."""
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        environment = {**os.environ, **self.devices[name].environment(), "PYTHONPATH": paths}
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        self._running[name] = process
        _send(process.stdin, (self.task, self.files))
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()
        return True

    def give(self, name: str, part: Part, following: Part | None) -> None:
        """See ``Executor``."""
        _send(self._running[name].stdin, (part, following))

    def report(self) -> tuple[str, Report]:
        """See ``Executor``."""
        return self._reports.get()

    def stop(self) -> None:
        """End all processes at once: what they have finished is in its files."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()

    def _listen(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            while True:
                self._reports.put((name, pickle.load(process.stdout)))
        except (EOFError, pickle.UnpicklingError):
            self._reports.put((name, Trouble(self._how_it_ended(name, process.wait()), dead=True)))

    def _how_it_ended(self, name: str, code: int) -> str:
        log = self._log(name)
        if code < 0:
            memory = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
            return f"its process was ended by {signal.Signals(-code).name}{memory}"
        said = log.read_text(errors="replace").strip().splitlines()
        return f"its process ended with code {code}" + (f", saying {said[-1][:200]!r}" if said else "")

    def _log(self, name: str) -> Path:
        return self.files.folder / f".{name.replace(':', '-')}.log"


def _send(stream: IO[bytes] | None, message: Any) -> None:
    """The end of a worker's output reports that it is gone."""
    assert stream is not None
    try:
        pickle.dump(message, stream)
        stream.flush()
    except BrokenPipeError:
        pass


def serve() -> None:
    """The main loop of a worker process."""
    guard_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that leads
    inbox, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is not a report
    given: queue.Queue[Any] = queue.Queue()

    def listen() -> None:
        try:
            while True:
                given.put(pickle.load(inbox))
        except EOFError:
            os._exit(0)  # that process is gone, or has no more work
        except Exception:  # noqa: BLE001 (a task that cannot be read here)
            given.put(bug())

    def send(report: Report) -> None:
        _send(out, report)

    threading.Thread(target=listen, daemon=True).start()
    begun = given.get()
    if isinstance(begun, Bug):
        send(begun)
        return
    task, files = begun
    worker = Worker(task)
    send(Ready(releases(task.libraries)))
    while True:
        part, following = given.get()
        send(_one(worker, files, part, following, lambda items: send(Step(items))))


def _one(
    worker: Worker, files: PartFiles, part: Part, following: Part | None, step: Callable[[float], None]
) -> Report:
    """Do one part, write it, and return the report."""

    def do() -> Finished:
        files.write(part, worker(part, following, step))
        return Finished()

    return reported(do)
