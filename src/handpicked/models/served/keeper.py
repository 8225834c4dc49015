"""Runs a command and ends it, with all that it has started, once the process that asked for it is gone.

    python keeper.py COMMAND...

The asker holds this program's standard input: it ends when the asker closes it, and also when the asker is
killed and can close nothing. Started by its path, so it needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE = 15.0
"""Seconds that the command has to end by itself."""


def main(command: list[str]) -> int:
    """The exit code of the command."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return 127
    threading.Thread(target=_end_with_the_asker, args=(child,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _send(child, signal.SIGTERM))
    code = child.wait()
    _send(child, signal.SIGKILL)  # what it has left behind
    return code if code >= 0 else 128 - code


def _end_with_the_asker(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # not by sys.stdin, whose lock would be held when this program ends
        pass
    _send(child, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
