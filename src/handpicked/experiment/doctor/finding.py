"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``missing`` is only a lack where it is needed; ``wrong`` will fail or
    mislead. ``detail`` says what is there, or what to do; several reasons are on separate lines.
    """

    section: str
    what: str
    state: State
    detail: str


def found(section: str, what: str, there: bool, detail: str) -> Finding:
    """A finding that is there or missing."""
    return Finding(section, what, "ok" if there else "missing", detail)
