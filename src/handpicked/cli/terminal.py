"""What is said on stderr, beside the results on stdout."""

from __future__ import annotations

import contextlib
import sys


def say(message: str) -> None:
    """A remark that is no result. Where nobody hears it (``2>&1 | head -1``) the work goes on all the same."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def complain(message: str) -> None:
    """A mistake, each of its lines marked as ours."""
    for line in message.splitlines():
        say(f"handpicked: {line}")
