"""Connects this process to a Ray cluster, after checking that it answers.

Ray itself waits for minutes for an address that does not answer, or for a dead cluster that its note in the
temporary folder still names.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.errors import ConfigError, MissingPart, first_line
from handpicked.records import Runner

WAIT = 8.0
"""Seconds that a cluster may take to answer."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of gRPC, which all services of Ray speak, greets its server: HTTP/2's preface and no settings.
"""


def connect(address: str | None) -> None:
    """Connect to the cluster at ``address`` (``HOST:PORT``, ``ray://HOST:PORT``, ``auto``; ``local``: a new
    one on this machine). None: the one that RAY_ADDRESS or Ray's note names, else a new one. At once where
    this process is connected already.

    Raises:
        MissingPart: Ray is not installed.
        ConfigError: this process has already worked without Ray, or nobody answers within seconds.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingPart("--runner ray needs Ray: pip install 'handpicked[ray]'.")
    refuse_change("ray")
    import ray

    if ray.is_initialized():
        return
    place, source = _place(address)
    if place is not None and (why := _silent(place)):
        raise ConfigError(f"runner: {source} {why}. {_advice(source)}")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"runner: the Ray cluster{f' at {address}' if address else ''} "
            f"cannot be used: {first_line(error)}"
        ) from error


@dataclass(frozen=True)
class Standing:
    """The cluster that this process would connect to at ``address`` (None: it would start one), what ``names``
    it, and why nobody of Ray answers there (``silent``; None: somebody does).
    """

    address: str | None
    names: str
    silent: str | None


def standing() -> Standing:
    """Where ``connect(None)`` would connect to. It is asked, and nothing is started."""
    place, said = _place(None)
    return Standing(place, said.removesuffix(" that"), None if place is None else _silent(place))


def refuse_change(wanted: Runner) -> None:
    """Raise ConfigError where this process has worked with Daft's other runner: it holds one for life."""
    now = runner_held()
    if now not in (None, wanted):
        raise ConfigError(
            f"runner: this process has already worked with {now} and cannot change to {wanted}; "
            "start another one."
        )


def runner_held() -> str | None:
    """The runner that Daft holds in this process; None: none yet."""
    if "daft" not in sys.modules:
        return None
    import daft.runners

    now: Any = getattr(daft.runners, "_get_runner", lambda: None)()
    return None if now is None else str(now.name)


def note() -> Path:
    """Where Ray writes down the cluster that was started on this machine last."""
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    return Path(temporary) / "ray" / "ray_current_cluster"


def _place(address: str | None) -> tuple[str | None, str]:
    """The ``HOST:PORT`` that Ray would connect to, and what names it; None: it would start a cluster."""
    if address not in (None, "auto"):
        return (None, "") if address == "local" else (address, f"--address {address}")
    if named := os.environ.get("RAY_ADDRESS"):
        return _place(named)[0], f"RAY_ADDRESS={named}"
    file = note()
    with suppress(OSError):
        if named := file.read_text().strip():
            return named, f"Ray's note {file} names a cluster at {named} that"
    return None, ""


def _advice(source: str) -> str:
    if source.startswith("Ray's note"):
        return (
            "If it has ended, remove the note ('ray stop' does), or give --address local for a new one here."
        )
    return "Check the address and that the cluster is up ('ray status' there), or give --address local."


def _silent(place: str) -> str | None:
    """Why no Ray cluster is at ``HOST:PORT``; None: it answers."""
    host, _, port = place.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return "is not an address of a cluster: it is HOST:PORT, or ray://HOST:PORT"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), WAIT) as line:
            if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
                return None  # it waits for a certificate, not for a greeting
            line.settimeout(WAIT)
            line.sendall(PREFACE)
            answer = line.recv(9)
    except OSError as error:
        return f"does not answer ({first_line(error)})"
    return None if answer[3:4] == b"\x04" else "answers, but not as a Ray cluster does"
