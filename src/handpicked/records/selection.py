"""What a selection counts, and what methods state about the scores that they rank by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from handpicked.records.pool import Unread

Better = Literal["high", "low", "none"]

Cost = Literal["text", "embedding", "model forward", "model backward", "paid API"]


@dataclass(frozen=True)
class Dropped:
    """A count of rows dropped for one reason."""

    reason: str
    rows: int


@dataclass(frozen=True)
class SelectionSummary:
    """What a selection did, in counts. ``pool = kept + dropped + rejected`` always holds (asserted)."""

    method: str
    pool: int
    kept: int
    rejected: int
    dropped: tuple[Dropped, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    """What each guard would find among the kept rows, their token lengths, and what truncation would cut."""
    rejections: tuple[Dropped, ...] = ()
    """Why rows were rejected, most common first."""
    unread: tuple[Unread, ...] = ()
    """What rows hold that is not part of the conversation."""
    exports: Mapping[str, object] = field(default_factory=dict)
    """The exports for other trainers by their names: rows, files, command, and rows that hold something which
    the trainer does not take (``lost``).
    """

    def __post_init__(self) -> None:
        total = self.kept + self.rejected + sum(part.rows for part in self.dropped)
        if total != self.pool:
            raise AssertionError(f"rows are lost: pool {self.pool}, accounted for {total}")
