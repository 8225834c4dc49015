"""What is said on stderr, beside the results on stdout."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    """A remark that is no result."""
    print(message, file=sys.stderr)


def complain(message: str) -> None:
    """A mistake, each of its lines marked as ours."""
    for line in message.splitlines():
        say(f"handpicked: {line}")
