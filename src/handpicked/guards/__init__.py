"""Guards, one file each: the filters that drop rows before a selection.

``from handpicked.guards import Repetition`` finds every shipped one.
"""

from __future__ import annotations

from typing import Any

from handpicked.method import classes_in


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        for one in classes_in(__name__):
            if one.__name__ == name:
                return one
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
