"""Starts the processes of one training, watches them, and ends them together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handpicked.errors import TrainingError
from handpicked.train.job import RESULT, read_result, steps_done
from handpicked.train.sft import TrainResult
from handpicked.train.words import WATCHED, clear_words, why_it_died
from handpicked.workers.devices import VISIBLE, Device

LAUNCHES = ("auto", "one", "ddp", "fsdp")
"""What ``train.launch`` may be, besides the file of an Accelerate config."""
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",  # checkpoints; the model itself is gathered
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",  # the first process reads the weights, and sends them
    "FSDP_SYNC_MODULE_STATES": "true",
}
"""What ``accelerate launch`` sets for FSDP2."""
LOOK, LAST_WORDS, GRACE = 0.1, 1.0, 20.0
"""Seconds between two checks of the processes, for processes to report the failure of another one, and for
all of them to end.
"""
PROGRAM = (sys.executable, "-m", "handpicked.train")


@dataclass(frozen=True)
class Launch:
    """How one training is started: by ``kind`` on ``devices``, a process each. ``config`` is the Accelerate
    config of kind ``file``, which says itself how many processes there are.
    """

    kind: Literal["one", "ddp", "fsdp", "file"]
    devices: tuple[Device, ...]
    config: Path | None = None


@dataclass(frozen=True)
class _Rank:
    process: subprocess.Popen[bytes]
    log: Path


def run_training(
    launch: Launch,
    job: Path,
    out: Path,
    *,
    arm: str,
    step: Callable[[float], None] = lambda _: None,
    stop: threading.Event | None = None,
    program: Sequence[str] = PROGRAM,
) -> TrainResult:
    """Do the job that ``write_job`` wrote, in separate processes, and wait for the end. Their output goes
    to ``out/train.log`` (``train-1.log`` for the second process, and so on), behind that of earlier attempts.

    ``stop`` ends them from another thread, as Ctrl-C and any other exception does here; they end too when
    this process is killed. Raises the error that a process died of, or TrainingError with its last words.
    """
    clear_words(job.parent)
    (out / RESULT).unlink(missing_ok=True)
    with _started(launch, job, out, program) as ranks:
        codes = _watch(ranks, job.parent, step, stop)
    if any(codes):
        raise why_it_died(job.parent, arm, codes, [rank.log for rank in ranks])
    result = read_result(out)
    if result is None:
        raise TrainingError(f"Training '{arm}' ended without a result. Its log is {ranks[0].log}.")
    return result


def _watch(
    ranks: Sequence[_Rank], job: Path, step: Callable[[float], None], stop: threading.Event | None
) -> list[int]:
    """The exit codes of all processes, once they have ended or one has failed; 0 for those that still run
    then.
    """
    shown = 0.0
    while None in (codes := [rank.process.poll() for rank in ranks]):
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        if any(codes):
            time.sleep(LAST_WORDS)
            break
        done = steps_done(job)
        step(done - shown)
        shown = done
        time.sleep(LOOK)
    return [rank.process.poll() or 0 for rank in ranks]


@contextmanager
def _started(launch: Launch, job: Path, out: Path, program: Sequence[str]) -> Iterator[list[_Rank]]:
    """The running processes of a job; none is left after the block, even after an error."""
    out.mkdir(parents=True, exist_ok=True)
    ranks: list[_Rank] = []
    with ExitStack() as held:
        port = held.enter_context(_meeting_place(len(launch.devices)))
        try:
            for words, environment in _commands(launch, job, program, port):
                log = out / (f"train-{len(ranks)}.log" if ranks else "train.log")
                ranks.append(_start(words, environment, log, launch))
            yield ranks
        finally:
            _end(ranks)


def _start(words: Sequence[str], environment: Mapping[str, str], log: Path, launch: Launch) -> _Rank:
    devices = ", ".join(device.name for device in launch.devices)
    with log.open("ab") as file:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        file.write(f"{now} begins: {launch.kind} on {devices}\n".encode())
        file.flush()
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,  # ends when this process does
            stdout=file,
            stderr=file,
            env={**os.environ, **environment, WATCHED: "1"},
            start_new_session=True,  # Ctrl-C in a terminal goes to this process, which ends them in order
        )
    return _Rank(process, log)


def _commands(
    launch: Launch, job: Path, program: Sequence[str], port: int
) -> list[tuple[list[str], dict[str, str]]]:
    """The command line and the variables of each process."""
    devices, words = launch.devices, [*program, str(job)]
    if launch.kind == "one":
        return [(words, devices[0].environment())]
    shared = _visible(devices)
    if launch.config is not None:
        launcher = [program[0], "-m", "accelerate.commands.launch", "--config_file", str(launch.config)]
        return [([*launcher, *words[1:]], shared)]
    if launch.kind == "fsdp":
        shared |= FSDP2
    number = len(devices)
    shared |= {
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    return [(words, {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(number)]


def _visible(devices: Sequence[Device]) -> dict[str, str]:
    """What processes see that share these devices."""
    each = [device.environment() for device in devices]
    if devices[0].kind == "cuda":
        return {VISIBLE: ",".join(one[VISIBLE] for one in each)}
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    return {**each[0], "ACCELERATE_USE_CPU": "true", **loopback}


@contextmanager
def _meeting_place(ranks: int) -> Iterator[int]:
    """The port of a store in this process where the ranks find each other. It is bound before they start, so
    that no other process can take it. 0 for a single rank, which needs none.
    """
    if ranks < 2:
        yield 0
        return
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port


def _end(ranks: Sequence[_Rank]) -> None:
    """End the processes that still run, and their children."""
    for rank in ranks:
        _send(rank, signal.SIGTERM)
    until = time.monotonic() + GRACE
    for rank in ranks:
        try:
            rank.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _send(rank, signal.SIGKILL)
            rank.process.wait()
        if rank.process.stdin is not None:
            with contextlib.suppress(OSError):
                rank.process.stdin.close()


def _send(rank: _Rank, number: signal.Signals) -> None:
    if rank.process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(rank.process.pid, number)
