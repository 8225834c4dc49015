"""Mutate real files for some minutes: ``python -m benchmarks.fuzz --minutes 5 --seed 1``.

Every file goes through ``select``, ``judge``, ``judge --replay`` or ``run --dry-run`` in child processes,
many files a process. The exit code must be 0 or 2, a refusal one line, every row accounted for, time and
memory bounded. A file that fails is kept in ``--keep`` beside a note with the command that repeats it. Exit
code 1 where any failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.fuzz.case import Case, case_of
from benchmarks.fuzz.worker import work

LONGEST_S = 60.0
"""Seconds that one file may take on a busy machine."""
CASES_A_WORKER = 500


class Worker:
    """A child process that is started anew when a case has ended it, and after some hundred cases."""

    def __init__(
        self, folder: Path, seed: str, target: Callable[[Connection, str, str], None] = work
    ) -> None:
        self.folder, self.seed, self.target = folder, seed, target
        self.done = CASES_A_WORKER
        self.process: BaseProcess | None = None
        self.pipe: Connection | None = None

    def problem(self, asked: int | Case) -> str | None:
        """What is wrong with the case (its number, or itself), or ``None``; a crash
        and a hang are wrong too.
        """
        if self.done >= CASES_A_WORKER:
            self._start()
        assert self.pipe is not None
        assert self.process is not None
        self.done += 1
        self.pipe.send(asked)
        if not self.pipe.poll(LONGEST_S):
            self.stop()
            return f"no end after {LONGEST_S:.0f} seconds"
        try:
            found: str | None = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            self.stop()
            return f"the process died: exit code {code}"
        return found

    def _start(self) -> None:
        self.stop()
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=self.target, args=(theirs, str(self.folder), self.seed), daemon=True
        )
        self.process.start()
        theirs.close()
        self.pipe, self.done = ours, 0

    def stop(self) -> None:
        self.done = CASES_A_WORKER
        if self.process is not None:
            self.process.kill()
            self.process.join()


def keep(place: Path, seed: str, number: int, problem: str) -> None:
    """Keep the file that failed, and how to try it again."""
    place.mkdir(parents=True, exist_ok=True)
    case = case_of(seed, number)
    name = f"{seed}-{number}"
    (place / f"{name}-{case.name}").write_bytes(case.data)
    repeat = f"python -m benchmarks.fuzz --seed {seed} --only {number}"
    (place / f"{name}.txt").write_text(
        f"{case.command} {case.name}\n{repeat}\n\n{problem}\n", encoding="utf-8"
    )
    print(f"{repeat}   # {case.command} {case.name}: {problem.splitlines()[0]}", flush=True)


def fuzz(seed: str, numbers: range, seconds: float, place: Path) -> Counter[str]:
    """Try cases until the time is up: how many were tried, and how many of them failed."""
    tally: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="handpicked-fuzz-"))
    worker = Worker(folder, seed)
    end = time.monotonic() + seconds
    try:
        for number in numbers:
            if time.monotonic() > end:
                break
            tally["tried"] += 1
            problem = worker.problem(number)
            if problem is not None:
                tally["failed"] += 1
                keep(place, seed, number, problem)
    finally:
        worker.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long")
    parser.add_argument("--seed", default=str(int(time.time())), help="another seed makes other files")
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--first", type=int, default=0, help="begin with this case")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-failures"), help="folder for the files that fail"
    )
    asked = parser.parse_args()
    numbers = range(asked.first, 1 << 60) if asked.only is None else range(asked.only, asked.only + 1)
    tally = fuzz(asked.seed, numbers, asked.minutes * 60, asked.keep)
    print(f"seed {asked.seed}: {tally['tried']:,} files, {tally['failed']:,} failed")
    return 1 if tally["failed"] else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
