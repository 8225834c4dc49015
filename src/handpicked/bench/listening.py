"""Counts the requests that lm-eval's model has answered, and keeps lm-eval's own output quiet."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from tqdm import tqdm

from handpicked.models.quiet import quiet

_REQUESTS = ("Running", "Requesting")
"""How the bars are described that advance by one for each request to the model."""


@contextmanager
def hushed() -> Iterator[None]:
    """Within it, no bar of lm-eval's is seen, it logs errors only, and what tasks print goes to stderr."""
    make = tqdm.__init__
    logger = logging.getLogger("lm_eval")
    level = logger.level

    def init(bar: Any, *args: Any, **options: Any) -> None:
        make(bar, *args, **{**options, "disable": True})

    with quiet(), redirect_stdout(sys.stderr):  # stdout is for results
        tqdm.__init__ = init
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            tqdm.__init__ = make
            logger.setLevel(level)


@contextmanager
def counting(step: Callable[[float], None]) -> Iterator[None]:
    """Within it, ``step`` is called with the share of all requests that were answered, as their bar advances."""
    make, advance = tqdm.__init__, tqdm.update

    def init(bar: Any, *args: Any, **options: Any) -> None:
        make(bar, *args, **options)
        counts = str(options.get("desc", "")).startswith(_REQUESTS)
        bar.requests = options.get("total") if counts else None

    def update(bar: Any, n: float | None = 1) -> Any:
        if getattr(bar, "requests", None):
            step((n or 0) / bar.requests)
        return advance(bar, n)

    tqdm.__init__, tqdm.update = init, update
    try:
        yield
    finally:
        tqdm.__init__, tqdm.update = make, advance
