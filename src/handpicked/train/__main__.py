"""One process of a training: ``python -m handpicked.train JOB.json`` (see ``job.py``), alone or started by
``launch.py``, ``torchrun`` or ``accelerate launch`` as one of several.
"""

import logging
import os
import sys
import threading
from pathlib import Path

from handpicked.errors import HandpickedError, first_line
from handpicked.secrets import guard_process
from handpicked.train.words import WATCHED, write_words


def main(arguments: list[str]) -> None:
    """Do the job, and record the error where it fails."""
    if len(arguments) != 1:
        sys.exit("usage: python -m handpicked.train JOB.json")
    guard_process()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    log = logging.getLogger("handpicked")
    log.setLevel(logging.INFO)
    if os.environ.get(WATCHED):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    job = Path(arguments[0])
    try:
        from handpicked.train.job import run_job

        run_job(job)
    except HandpickedError as error:
        log.error("%s", error)
        write_words(job.parent, type(error).__name__, str(error))
        _end(2)
    except Exception as error:  # the boundary of the process
        log.exception("training failed")
        write_words(job.parent, "", f"{type(error).__name__}: {first_line(error)}")
        _end(1)
    _end(0)


def _end(code: int) -> None:
    """Exit at once: an orderly exit would wait for processes that have died."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_with_parent() -> None:
    """End when the process that has started this one does, even when it was killed: it holds the other end
    of standard input.
    """
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
