"""Scorers: one file each, with paper, equation, unit and direction.

``from handpicked.scorers import Ifd`` finds every shipped one.
"""

from __future__ import annotations

from typing import Any

from handpicked.method import classes_in


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        for one in classes_in(f"{__name__}.text", f"{__name__}.model"):
            if one.__name__ == name:
                return one
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
