"""Scorers: one file each, with paper, equation, unit and direction.

``from handpicked.scorers import Ifd`` finds every shipped one.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    from handpicked.catalogue import SCORERS

    return SCORERS.attribute(name)
