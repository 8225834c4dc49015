"""Messages on stderr, separate from the results on stdout."""

from __future__ import annotations

import os
import sys

LONGEST = 1000
"""Letters of a mistake that are shown."""


def say(message: str) -> None:
    """A remark that is no result. Where nobody hears it (``2>&1 | head -1``) the
    work goes on all the same.
    """
    try:
        print(message, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), 2
        )  # or Python would fail at its end for what is left to say


def complain(message: str) -> None:
    """A mistake, each of its lines marked as ours. Names and excerpts in it may come from files: they are
    shortened, and what a terminal would take as a command is shown as an escape.
    """
    for line in message.split("\n"):
        shown = line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} [...] {line[-LONGEST // 4 :]}"
        say(
            "handpicked: "
            + "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in shown)
        )
