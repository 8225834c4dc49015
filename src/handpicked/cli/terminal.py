"""Messages on stderr, separate from the results on stdout."""

from __future__ import annotations

import logging
import os
import sys
from enum import IntEnum

LONGEST = 1000
"""Letters of a mistake that are shown."""


class Volume(IntEnum):
    """How much is written to stderr apart from mistakes: nothing; remarks and progress; the stages' log too."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


_volume = Volume.NORMAL


def volume() -> Volume:
    """The current level."""
    return _volume


def set_volume(chosen: Volume) -> None:
    """Set the level from now on."""
    global _volume
    _volume = chosen
    logger = logging.getLogger("handpicked")
    if chosen is Volume.QUIET:
        logger.addHandler(logging.NullHandler())  # or warnings would go to stderr by Python's last resort
    elif chosen is Volume.VERBOSE:
        logger.addHandler(_Said())
        logger.setLevel(logging.INFO)


class _Said(logging.Handler):
    """Writes the stages' log to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        write(record.getMessage())


def say(message: str) -> None:
    """A remark that is not a result; nothing where ``-q`` asks for quiet."""
    if _volume is not Volume.QUIET:
        write(message)


def write(message: str) -> None:
    """A line on stderr. Where nobody reads it (``2>&1 | head -1``) the work goes on."""
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
        write(
            "handpicked: "
            + "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in shown)
        )


def next_step(what: str) -> None:
    """The last line of a command: what to do next."""
    say(f"Next: {what}")
