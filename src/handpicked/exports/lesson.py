"""What a trainer is to learn of one row: the turns up to the last response, and which of them are trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from handpicked.data.shapes import openai_turn, tools_of
from handpicked.models.encode import response_turns
from handpicked.records import Example, Json, Message, ToolCall

MEDIA = ("images", "image", "videos", "video", "audios", "audio")
"""Fields in which rows name pictures, films and sounds that belong to their text."""


@dataclass(frozen=True)
class Lesson:
    """``messages`` end with the last turn that is trained; ``trained`` are the places of all that are.
    ``tools`` is the JSON text of a list of tools, or empty.
    """

    messages: tuple[Message, ...]
    trained: frozenset[int]
    tools: str = ""
    tools_unread: bool = False
    """The row declares tools in something that is no JSON list of objects."""
    media: bool = False

    @property
    def context(self) -> int:
        """How many turns of an assistant are between the trained ones, and are not to be learned."""
        first = min(self.trained)
        return sum(
            turn.role == "assistant" and place > first and place not in self.trained
            for place, turn in enumerate(self.messages)
        )

    @property
    def thinks(self) -> bool:
        """Whether a trained turn holds a thought."""
        return any(self.messages[place].thought for place in self.trained)


def lesson(example: Example) -> Lesson:
    """What is to be learned of an example: the turns that handpicked's own training learns."""
    trained = response_turns(example)
    declared = tools_of(example.messages)
    tools = _tools(declared)
    return Lesson(
        messages=example.messages[: trained[-1] + 1],
        trained=frozenset(trained),
        tools=tools,
        tools_unread=bool(declared) and not tools,
        media=any(example.original.get(field) for field in MEDIA),
    )


def _tools(declared: str) -> str:
    """The JSON text of the declared tools as a list, or nothing where they are none."""
    try:
        found = json.loads(declared) if declared else []
    except (ValueError, RecursionError):
        return ""
    listed = [found] if isinstance(found, dict) else found
    plain = isinstance(listed, list) and all(isinstance(tool, dict) for tool in listed)
    return json.dumps(listed, ensure_ascii=False) if plain and listed else ""


def arguments(call: ToolCall) -> object:
    """The arguments of a call as JSON, or as the text that they are."""
    try:
        return json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments


def called(call: ToolCall) -> Mapping[str, object]:
    """A call as name and arguments."""
    return {"name": call.name, "arguments": arguments(call)}


def chat_turn(turn: Message) -> Json:
    """A turn as chat templates have it: the arguments of calls are objects where they are any."""
    said = openai_turn(turn)
    said.pop("weight", None)
    for call, spoken in zip(turn.calls, said.get("tool_calls", ()), strict=True):
        found = arguments(call)
        spoken["function"]["arguments"] = found if isinstance(found, dict) else call.arguments
    return said


def plain_turn(turn: Message) -> Json:
    """``chat_turn`` with all arguments as JSON text. So every row has the same types, and Arrow does not pad
    the arguments of one tool with those of another.
    """
    said = chat_turn(turn)
    for call, spoken in zip(turn.calls, said.get("tool_calls", ()), strict=True):
        spoken["function"]["arguments"] = json.dumps(arguments(call), ensure_ascii=False)
    return said


def thought_and_text(turn: Message) -> str:
    """Thought and content as one text, without calls."""
    return f"<think>\n{turn.reasoning}\n</think>\n\n{turn.content}" if turn.reasoning else turn.content
