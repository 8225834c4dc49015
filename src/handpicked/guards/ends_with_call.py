"""Conversations whose final turn only calls tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint
from handpicked.guards.tool_use import calls_of, found_in_turns, said_beside_calls
from handpicked.records import Message


@dataclass(frozen=True)
class EndsWithCall(Lint):
    """Drops conversations whose final turn calls tools and says nothing: the user gets no answer.

    Data that teach the call alone, such as xLAM's, consist of such rows: leave this filter out for them.
    """

    name: ClassVar[str] = "ends-with-call"
    about: ClassVar[str] = "drops conversations whose final turn only calls tools"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("tool_turns",)
    fault: ClassVar[str] = "its final turn only calls tools"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in_turns(batch["tool_turns"], only_calls)


def only_calls(turns: Sequence[Message]) -> str | None:
    """The names of the tools that the last turn calls, where it does nothing else."""
    calls = calls_of(turns[-1])
    if not calls or said_beside_calls(turns[-1]):
        return None
    return ", ".join(dict.fromkeys(call.name or "a call" for call in calls))
