"""Shows lm-eval's progress in handpicked's progress bars, and keeps lm-eval's own output quiet."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from handpicked.models.quiet import quiet
from handpicked.progress import Progress

_REQUESTS = ("Running", "Requesting")
"""How the bars are described that advance by one for each request to the model."""


@contextmanager
def listening(progress: Progress, label: str) -> Iterator[None]:
    """Within it, bars over requests advance ``progress`` (a unit is a request), and no other bar is seen."""
    from tqdm import tqdm

    make, advance = tqdm.__init__, tqdm.update
    logger = logging.getLogger("lm_eval")
    level = logger.level

    with ExitStack() as shown, quiet(), redirect_stdout(sys.stderr):  # tasks print; stdout is for results

        def init(bar: Any, *args: Any, **options: Any) -> None:
            make(bar, *args, **{**options, "disable": True})
            if options.get("total") and str(options.get("desc", "")).startswith(_REQUESTS):
                bar.step = shown.enter_context(progress(label, options["total"]))

        def update(bar: Any, n: float | None = 1) -> Any:
            if hasattr(bar, "step"):
                bar.step(n or 0)
            return advance(bar, n)

        tqdm.__init__, tqdm.update = init, update
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            tqdm.__init__, tqdm.update = make, advance
            logger.setLevel(level)
