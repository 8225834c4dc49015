"""Tool results without a call, and calls without a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint
from handpicked.guards.tool_use import calls_of, found_in_turns
from handpicked.records import Message, ToolCall


@dataclass(frozen=True)
class ToolResults(Lint):
    """Drops conversations with a tool result without an earlier call, or with a call that has no result when
    the conversation goes on.

    Results are matched by the id of the call where both have one. A result without an id answers all calls
    since the last turn. Calls of the final turn need no result.
    """

    name: ClassVar[str] = "tool-results"
    about: ClassVar[str] = "drops rows with a tool result without its call, or a call without its result"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("tool_turns",)
    fault: ClassVar[str] = "a tool result has no call, or a call has no result"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in_turns(batch["tool_turns"], unmatched)


def unmatched(turns: Sequence[Message]) -> str | None:
    """The first result without a call, or call without a result."""
    earlier: list[ToolCall] = []
    waiting: list[ToolCall] = []
    results = False
    for place, turn in enumerate(turns, start=1):
        calls = calls_of(turn)
        if turn.role == "tool":
            answered = _answered(turn, earlier)
            if not answered:
                return f"turn {place}: a result{_named(turn)} without a call"
            waiting = [call for call in waiting if call not in answered]
            results = True
            continue
        if waiting and (results or not calls):
            return _unanswered(waiting[0], place)
        if results or not calls:
            earlier, waiting, results = [], [], False
        earlier += calls
        waiting += calls
    return _unanswered(waiting[0], len(turns) + 1) if waiting and results else None


def _answered(result: Message, earlier: Sequence[ToolCall]) -> list[ToolCall]:
    """The calls that a result answers."""
    if result.call_id and earlier and all(call.id for call in earlier):
        return [call for call in earlier if call.id == result.call_id]
    return list(earlier)


def _unanswered(call: ToolCall, place: int) -> str:
    return f"{call.name or 'a call'} has no result before turn {place}"


def _named(result: Message) -> str:
    said = [part for part in (result.name, result.call_id) if part]
    return f" of {' '.join(said)}" if said else ""
