"""Selectors: one file each. They rank and choose rows from score columns; they never read text.

``from handpicked.selectors import KMeans`` finds every shipped one.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from handpicked.catalogue import SELECTORS

    return SELECTORS.attribute(name)
