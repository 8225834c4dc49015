"""The child process: it runs one case after another, until one of them ends it."""

from __future__ import annotations

import os
import queue
import resource
import threading
from multiprocessing.connection import Connection
from pathlib import Path

ADDRESS_SPACE = 16 << 30
"""Bytes that the process may ask for: a file that wants more ends the worker, not the machine."""


def work(pipe: Connection, folder: str, seed: str) -> None:
    """Run the cases that come through the pipe, as numbers or whole, and send back what is
    wrong with each, or ``None``.
    """
    os.environ |= {
        "OPENAI_API_KEY": _key(),
        "OMP_NUM_THREADS": "1",
        "HANDPICKED_CACHE": f"{folder}/cache",
        "XDG_CACHE_HOME": f"{folder}/cache",
        "HF_HUB_OFFLINE": "1",
    }
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from benchmarks.fuzz.case import Case, case_of, problem_of
    from benchmarks.fuzz.faults import faults, problem_with_fault

    url = _endpoint()
    known = faults()
    while True:
        asked: int | Case = pipe.recv()
        if isinstance(asked, int) and known and asked % 20 == 19:
            pipe.send(problem_with_fault(known[asked // 20 % len(known)], Path(folder) / "work"))
        else:
            case = case_of(seed, asked) if isinstance(asked, int) else asked
            pipe.send(problem_of(case, Path(folder) / "work", url))


def _key() -> str:
    try:
        from benchmarks.http_faults import KEY
    except ImportError:
        from benchmarks.fuzz.case import KEY
    return KEY


def _endpoint() -> str:
    """A chat endpoint in a thread of this process: every answer is ``8 7``."""
    from benchmarks.fixed_server import serve

    port: queue.Queue[int] = queue.Queue()
    threading.Thread(target=serve, args=(port, 0.0, [0.0, 0.0]), daemon=True).start()
    return f"http://127.0.0.1:{port.get()}/v1"
