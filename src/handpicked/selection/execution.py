"""Where and how the work of a selection is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from handpicked.progress import Progress, shown
from handpicked.records import Runner
from handpicked.store import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Execution:
    """Where a selection or scores are computed, and who is told of it. The same rows come of each."""

    runner: Runner = "native"
    """``native``: in this process. ``ray``: on a Ray cluster."""
    address: str | None = None
    """Address of the Ray cluster. None: one on this machine."""
    run: Run | None = None
    """The store that keeps scores by models, an endpoint or a target set. None: the cache folder."""
    keep_versions: bool = False
    """Go on with finished scores that other versions of libraries or methods made."""
    say: Callable[[str], None] = log.info
    """Gets a line beforehand on what scores by models will take."""
    progress: Progress = shown
    """Shows how far it is: by default a bar in a notebook or a terminal, elsewhere nothing."""
