"""Conversations whose turns are out of order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint, found_once

FOLLOWS: Mapping[str, frozenset[str]] = {
    "system": frozenset(("", "system")),
    "user": frozenset(("", "system", "assistant", "calls", "tool")),
    "assistant": frozenset(("user", "calls", "tool")),
    "calls": frozenset(("user", "calls", "tool")),
    "tool": frozenset(("assistant", "calls", "tool")),
}
"""What may come before a turn of each role; "" is the beginning, ``calls`` an assistant's turn that calls
tools. Calls may follow each other, as results may: parallel calls are written so.
"""
SHOWN = {"calls": "a tool call", "tool": "a tool result"}


@dataclass(frozen=True)
class TurnOrder(Lint):
    """Drops conversations in which two users or two assistants follow each other, a system turn is in the
    middle, the assistant speaks first, or anybody else speaks last.

    Calls of tools, their results, and an assistant's turn after its own call are in order.
    """

    name: ClassVar[str] = "turn-order"
    about: ClassVar[str] = "drops conversations whose turns are out of order"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("turn_roles",)
    fault: ClassVar[str] = "its turns are out of order"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_once(batch["turn_roles"], disorder)


def disorder(roles: str) -> str | None:
    """The first turn of ``roles`` (words as in ``data.turn_columns``) that is out of order."""
    before = ""
    for place, role in enumerate(roles.split(), start=1):
        if before not in FOLLOWS[role]:
            where = f"after {SHOWN.get(before, before)}" if before else "comes first"
            return f"turn {place}: {SHOWN.get(role, role)} {where}"
        before = role
    return f"the last turn is {_whose(before)}" if before not in ("", "assistant", "calls") else None


def _whose(role: str) -> str:
    return SHOWN.get(role, f"by the {role}")
