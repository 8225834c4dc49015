"""One training in several processes: ``accelerate launch -m handpicked.train JOB.json`` (see ``job.py``)."""

import logging
import sys
from pathlib import Path

from handpicked.errors import HandpickedError
from handpicked.secrets import guard_process
from handpicked.train.job import run_job

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m handpicked.train JOB.json")
    guard_process()
    try:
        run_job(Path(sys.argv[1]))
    except HandpickedError as error:
        logging.getLogger("handpicked").error("%s", error)
        sys.exit(2)
