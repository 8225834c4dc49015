"""Calls of tools that the row does not declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint
from handpicked.guards.tool_use import calls_of, declared, found_in_turns
from handpicked.records import Message


@dataclass(frozen=True)
class UndeclaredTool(Lint):
    """Drops rows that call a tool which they do not declare: a model learns from them to invent tools.

    Tools are declared in the row's field of tools, or between ``<tools>`` marks in the system turn. Where
    neither holds any, a tool counts as declared if the system turn names it.
    """

    name: ClassVar[str] = "undeclared-tool"
    about: ClassVar[str] = "drops rows that call a tool which they do not declare"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("tool_turns",)
    fault: ClassVar[str] = "it calls a tool that it does not declare"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in_turns(batch["tool_turns"], undeclared)


def undeclared(turns: Sequence[Message]) -> str | None:
    """The names of the tools that are called and not declared, each once."""
    called = dict.fromkeys(call.name for turn in turns for call in calls_of(turn) if call.name)
    if not called:
        return None
    known = declared(turns)
    return ", ".join(name for name in called if not known.knows(name)) or None
