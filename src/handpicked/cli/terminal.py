"""What is said on stderr, beside the results on stdout."""

from __future__ import annotations

import os
import sys


def say(message: str) -> None:
    """A remark that is no result. Where nobody hears it (``2>&1 | head -1``) the work goes on all the same."""
    try:
        print(message, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 2
        )  # or Python would fail at its end for what is left to say


def complain(message: str) -> None:
    """A mistake, each of its lines marked as ours."""
    for line in message.splitlines():
        say(f"handpicked: {line}")
