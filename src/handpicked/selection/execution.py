"""Where and how work is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from handpicked.progress import Progress, shown
from handpicked.store import Run
from handpicked.workers import THIS_MACHINE, Workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Execution:
    """Where scores, a selection or an experiment are computed, and how progress is reported. It does not change
    the result.
    """

    workers: Workers = THIS_MACHINE
    """All devices of this machine, some of them, or a Ray cluster."""
    run: Run | None = None
    """The store that keeps scores by models, endpoints or target sets. None: the cache folder."""
    keep_versions: bool = False
    """Reuse finished scores that other versions of libraries or methods made."""
    say: Callable[[str], None] = log.info
    """Called with a line that says what scores by models will take, before they are computed."""
    progress: Progress = shown
    """Shows progress: by default a bar in a notebook or a terminal, elsewhere nothing."""
