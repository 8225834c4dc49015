"""Trains the arms of an experiment in processes of their own: side by side where each fits on one device."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import ConfigError
from handpicked.experiment import stages
from handpicked.experiment.job import Job, Subset, Trained
from handpicked.experiment.launching import launch_mistakes
from handpicked.records import Pool
from handpicked.train.estimate import Work, model_size
from handpicked.train.fit import Fit, fit
from handpicked.train.job import read_result, write_job
from handpicked.train.launch import Launch, run_training
from handpicked.train.prepare import FOLDER, open_prepared
from handpicked.train.rows import Places
from handpicked.train.sft import TrainResult, tidy
from handpicked.workers.devices import Device
from handpicked.workers.machine import Machine


def train_arms(
    job: Job, arms: Sequence[str], subsets: Mapping[str, Subset], machine: Machine | None
) -> dict[str, Trained]:
    """The model of every arm, in the order of ``arms``, trained on the devices of ``machine`` (None: no arm
    is to be trained).

    When a training fails, the running ones finish and are kept, no other begins, and its error is raised (the
    first arm's, if several fail). Ctrl-C ends them all; each resumes from its last checkpoint. Raises
    ConfigError before any training for a ``launch`` that cannot be done on the machine.
    """
    if machine is None:
        return {name: stages.train(job, name, None, None) for name in arms}
    if found := launch_mistakes(job.lineup.written, machine):
        raise ConfigError(*(mistake for _, mistake in found))
    trainings = Trainings(machine)
    with ThreadPoolExecutor(len(machine.devices)) as pool:
        begun = {name: pool.submit(_train_arm, job, name, subsets.get(name), trainings) for name in arms}
        try:
            wait(begun.values(), return_when=FIRST_EXCEPTION)
            _cancel(begun)  # after a failure; else there is none that has not begun
            _say_failed(job, begun, trainings)
            wait(begun.values())
        except BaseException:
            trainings.stop.set()
            _cancel(begun)
            raise
    for future in begun.values():
        if not future.cancelled() and (error := future.exception()) is not None:
            raise error
    return {name: future.result() for name, future in begun.items()}


def _cancel(begun: Mapping[str, Future[Trained]]) -> None:
    for future in begun.values():
        future.cancel()


def _say_failed(job: Job, begun: Mapping[str, Future[Trained]], trainings: Trainings) -> None:
    """Report a failure at once while others are still being trained, which may take hours."""
    failed = [name for name, future in begun.items() if future.done() and future.exception() is not None]
    running = [name for name in trainings.running if name not in failed]
    if failed and running:
        job.store.say(
            f"model/{failed[0]} failed. {', '.join(running)} {'is' if len(running) == 1 else 'are'} trained "
            "to the end first; Ctrl-C stops that too."
        )


def _train_arm(job: Job, name: str, subset: Subset | None, trainings: Trainings) -> Trained:
    with trainings.turn:
        return stages.train(job, name, subset, trainings.train)


class Trainings:
    """The devices of a run, assigned to its trainings one by one or all together.

    Threads that train arms share one ``turn``: only its holder works in this process. A thread gives it away
    only while it waits for devices, or for the processes that train.
    """

    def __init__(self, machine: Machine) -> None:
        self.turn = threading.Condition()
        self.stop = threading.Event()
        self.running: list[str] = []
        self._machine = machine
        self._free = list(machine.devices)

    def train(self, job: Job, arm: str, rows: Pool, out: Path) -> TrainResult:
        """Fine-tune the arm's model on ``rows`` into ``out``, in processes of their own. What an earlier
        attempt has finished there is taken as it is.
        """
        model, settings = job.lineup.model(arm), job.lineup.train(arm)
        done = read_result(out)
        if done is not None:
            tidy(out)
            return done
        written = write_job(
            out / FOLDER,
            rows.examples(),
            model,
            settings,
            out,
            arm=arm,
            total=rows.rows,
            progress=job.progress,
        )
        prepared = open_prepared(out / FOLDER)
        start = self._start(model, settings, prepared.rows.rows.lengths)
        with (
            self._lent(start.ranks, arm) as devices,
            job.progress(f"train {arm}", total=prepared.planned.steps) as step,
        ):
            config = Path(settings.launch).absolute() if start.kind == "file" else None
            launch = Launch(start.kind, devices, config)
            return run_training(launch, written, out, arm=arm, step=step, stop=self.stop)

    def _start(self, model: ModelSettings, settings: TrainSettings, lengths: Places) -> Fit:
        work = None
        if settings.launch == "auto" and self._machine.gpu and len(self._machine.devices) > 1:
            work = Work(len(lengths), float(lengths.mean()), int(lengths.max()), model_size(model))
        return fit(settings, self._machine, work)

    @contextmanager
    def _lent(self, number: int, arm: str) -> Iterator[tuple[Device, ...]]:
        """``number`` devices, once they are free; the turn is given away until they are returned."""
        self.turn.wait_for(lambda: len(self._free) >= number or self.stop.is_set())
        if self.stop.is_set():
            raise KeyboardInterrupt
        taken = tuple(self._free[:number])
        del self._free[:number]
        self.running.append(arm)
        self.turn.release()
        try:
            yield taken
        finally:
            self.turn.acquire()
            self.running.remove(arm)
            self._free = [one for one in self._machine.devices if one in (*self._free, *taken)]
            self.turn.notify_all()
