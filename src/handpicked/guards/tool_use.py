"""The tools that a row declares and the calls that its turns make, for the guards that look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from handpicked.data.formats.calls import calls_in
from handpicked.records import Message, ToolCall

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
SCHEMAS = ("parameters", "input_schema", "inputSchema")
"""Where OpenAI, Anthropic and MCP put the schema of a tool's arguments."""


@dataclass(frozen=True)
class Declared:
    """What a row says of its tools: the schema of each by name (None where it has none), and the texts in
    which others may be named.
    """

    schemas: Mapping[str, object]
    words: str

    def knows(self, name: str) -> bool:
        """Whether a tool of that name is declared. Where none is declared as JSON, a mention will do."""
        return name in self.schemas if self.schemas else name in self.words


def found_in_turns(column: pa.Array, find: Callable[[Sequence[Message]], str | None]) -> pa.Array:
    """What ``find`` says of the turns of each row of ``tool_turns``; null where it says nothing, and for rows
    without tools, which are not parsed.
    """
    found = [None if text is None else find(read_turns(text)) for text in column.to_pylist()]
    return pa.array(found, pa.string())


def read_turns(text: str) -> tuple[Message, ...]:
    """The turns that ``data.turn_columns.tool_turns`` wrote."""
    return tuple(map(Message.of, json.loads(text)))


def declared(turns: Sequence[Message]) -> Declared:
    """The tools that a row declares: in its own field, or between ``<tools>`` marks of a system turn."""
    listed = next((turn.tools for turn in turns if turn.tools), "")
    said = "\n".join(turn.content for turn in turns if turn.role == "system")
    tools = [*_objects(listed), *(one for text in _TOOLS.findall(said) for one in _objects(text))]
    functions = [found if isinstance(found := tool.get("function"), Mapping) else tool for tool in tools]
    schemas = {
        name: next((one[key] for key in SCHEMAS if isinstance(one.get(key), Mapping)), None)
        for one in functions
        if isinstance(name := one.get("name"), str)
    }
    return Declared(schemas, f"{listed}\n{said}")


def _objects(text: str) -> Iterator[Mapping[str, object]]:
    """The objects that a text lists as JSON, or one a line."""
    for part in (text, *text.splitlines()):
        value = _json(part)
        if value is not None:
            yield from (
                one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping)
            )
            if part is text:
                return


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def calls_of(turn: Message) -> tuple[ToolCall, ...]:
    """The calls that a turn makes, also those between ``<tool_call>`` marks in its text.

    One there that is not a call in JSON has no name, and what is there as its arguments.
    """
    if turn.role != "assistant" or "<tool_call>" not in turn.content:
        return turn.calls
    bodies = _CALL.findall(turn.answer)
    tagged = (calls_in(_json(body)) or (ToolCall("", body.strip()),) for body in bodies)
    return (*turn.calls, *(call for calls in tagged for call in calls))


def said_beside_calls(turn: Message) -> str:
    """The answer of a turn without its thought and its calls."""
    return _CALL.sub("", turn.answer).strip()
