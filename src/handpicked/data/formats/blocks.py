"""A content that is a list of blocks, as OpenAI, Anthropic, Mistral, Gemini and Bedrock have them: text, thoughts,
tool calls and what the tools returned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handpicked.data.formats.calls import call_id, call_in
from handpicked.data.formats.cells import BLANK, BadRow, json_text, kind_name
from handpicked.records import Message, ToolCall

Block = Mapping[str, object]

REASONING = ("reasoning_content", "reasoning", "thinking", "thought", "reasoning_details")
"""The fields of a turn, of a block or of a row that may hold a thought."""
THOUGHTS = ("thinking", "reasoning", "think")
"""The types of blocks that are thoughts."""
CALLS = ("tool_use", "tool_call", "function")
"""The types of blocks that are calls, or the ends of types (``server_tool_use``)."""
RESULT = "tool_result"
"""The end of the types of blocks that say what a tool returned (``mcp_tool_result``)."""
CALL_PARTS = ("functionCall", "function_call", "toolUse")
"""The fields of a part without a type that hold a call (Gemini, Bedrock)."""
RESULT_PARTS = ("functionResponse", "function_response", "toolResult")
"""The fields of a part that hold what a tool returned (Gemini, Bedrock)."""
MARKS = ("step-start",)
"""The types of blocks that say nothing: where a step of an agent begins (Vercel)."""


@dataclass(frozen=True)
class Content:
    """What a turn holds: its text, thought and calls, and the results of tools."""

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[Message, ...] = ()


def content_of(blocks: list[Any], where: str) -> Content:
    """All that these blocks say. Raises BadRow for one that is none of text."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    for block in blocks:
        kind = _kind(block)
        part = _part(block) if kind is None else None
        if isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Message):
            results.append(part)
        elif kind is None and isinstance(block, Mapping) and (thought := _thought_part(block)):
            thoughts.append(thought)
        elif kind in THOUGHTS:
            thoughts.append(
                next((text for name in (*REASONING, "text") if (text := thought_in(block.get(name)))), "")
            )
        elif kind is not None and kind.endswith(CALLS) and (call := call_in(block)) is not None:
            calls.append(call)
        elif kind is not None and kind.endswith(RESULT):
            results.append(_result(block, kind, where))
        elif not isinstance(block, Mapping) or block.get("type") not in MARKS:
            texts.append(text_of_block(block, where))
    return Content("".join(texts), "\n".join(thoughts), tuple(calls), tuple(results))


def is_result(block: object) -> bool:
    """Whether a block says what a tool returned."""
    kind = _kind(block)
    return kind.endswith(RESULT) if kind is not None else isinstance(_part(block), Message)


def _kind(block: object) -> str | None:
    kind = block.get("type") if isinstance(block, Mapping) else None
    return kind.replace("-", "_") if isinstance(kind, str) else None


def _part(block: object) -> ToolCall | Message | None:
    """The call, or the result of a tool, that an untyped part holds (Gemini, Bedrock)."""
    if not isinstance(block, Mapping):
        return None
    call = next((block[name] for name in CALL_PARTS if block.get(name)), None)
    if call is not None:
        return call_in(call)
    result = next((block[name] for name in RESULT_PARTS if isinstance(block.get(name), Mapping)), None)
    if result is None:
        return None
    said = result.get("response", result.get("content"))
    name = result["name"] if isinstance(result.get("name"), str) else ""
    text = said if isinstance(said, str) else json_text(said)
    return Message("tool", text, call_id=call_id(result) or call_id(result, "id"), name=name)


def _thought_part(block: Block) -> str:
    """The thought that an untyped part is (Gemini), or holds (Bedrock); blank where it is none."""
    held = block.get("reasoningContent")
    if isinstance(held, Mapping):
        said = held.get("reasoningText", held)
        return thought_in(said.get("text") if isinstance(said, Mapping) else said)
    return thought_in(block.get("text")) if block.get("thought") is True else ""


def _result(block: Block, kind: str, where: str) -> Message:
    """What a tool returned: its text, or the JSON of what a tool of the server found, such as pages."""
    said = next(
        (block[name] for name in ("content", "output", "result") if block.get(name) is not None), None
    )
    texts = [one for one in said if _text(one) is not None] if isinstance(said, list) else []
    if isinstance(said, list) and (kind == RESULT or len(texts) == len(said)):
        said = "".join(text_of_block(one, where) for one in said)
    name = next((found for key in ("name", "toolName") if isinstance(found := block.get(key), str)), "")
    text = said if isinstance(said, str) else json_text(said)
    return Message("tool", text, call_id=call_id(block), name=name)


def text_of_blocks(value: Any, where: str) -> str:
    """The text of a system prompt or a summary that is written as blocks, or as an object with parts.

    Raises BadRow for a block that is not text.
    """
    if isinstance(value, Mapping):
        value = value.get("parts", value.get("content", [value]))
    return value if isinstance(value, str) else "".join(text_of_block(one, where) for one in value or [])


def text_of_block(block: object, where: str) -> str:
    """The text of a block. Raises BadRow where it has none."""
    text = _text(block)
    if text is not None:
        return text
    kind = block.get("type", "untyped") if isinstance(block, Mapping) else kind_name(block)
    raise BadRow(f"{where} has a content block that is not text ({kind})")


def _text(block: object) -> str | None:
    if not isinstance(block, Mapping):
        return block if isinstance(block, str) else None
    fields = ("text", "refusal", "content") if block.get("type") in ("text", "refusal") else ("text",)
    return next((text for name in fields if isinstance(text := block.get(name), str)), None)


def thought_in(value: object) -> str:
    """A thought that is a text, or blocks of text; anything else that is not empty as JSON. True and false say
    whether a model was to think, and are no thought; nor is one that is encrypted.
    """
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return value if value.strip(BLANK) else ""
    if isinstance(value, list) and value and all(isinstance(one, str | Mapping) for one in value):
        parts = [one if isinstance(one, str) else one.get("text", one.get("summary")) for one in value]
        if all(isinstance(part, str) or _is_encrypted(one) for part, one in zip(parts, value, strict=True)):
            return "".join(part for part in parts if isinstance(part, str))
    return "" if value is None or value == [] or value == {} or value != value else json_text(value)


def _is_encrypted(block: object) -> bool:
    return isinstance(block, Mapping) and str(block.get("type")).endswith("encrypted")
