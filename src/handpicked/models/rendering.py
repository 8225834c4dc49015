"""Renders messages by a chat template, and finds out what of a turn the template shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from handpicked.errors import Refused
from handpicked.models.sandbox import render_source
from handpicked.records import Message, ToolCall

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from handpicked.models.sandbox import Rendering

PROBE = (Message("user", "question"), Message("assistant", "answer"))
_THOUGHT_PROBE = "aforethought"
_CALL_PROBE = ToolCall("callee", '{"place": "hither"}', "callee001", quoted=False)
_TOOL_PROBE = '[{"type": "function", "function": {"name": "callee", "description": "handpicks", "parameters": {"type": "object", "properties": {"place": {"type": "string", "description": "where"}}}}}]'


@dataclass(frozen=True)
class Takes:
    """What a chat template renders of a turn besides its content."""

    reasoning: bool = True
    calls: bool = True
    tools: bool = True


def render(
    tokenizer: PreTrainedTokenizerBase,
    source: str,
    messages: Sequence[Message],
    *,
    prompt: bool,
    name: str,
    takes: Takes = Takes(),
) -> Rendering:
    """``messages`` as the template ``source`` writes them; ``prompt`` adds the opening of a response.

    Raises Refused where the template refuses them, Endless where it exceeds the sandbox's bounds.
    """
    variables = {
        **tokenizer.special_tokens_map,
        "messages": [_turn(message, takes) for message in messages],
        "tools": _declared(messages),
        "documents": None,
        "add_generation_prompt": prompt,
    }
    return render_source(source, name, variables)


def takes_of(tokenizer: PreTrainedTokenizerBase, source: str, name: str) -> Takes:
    """What the template ``source`` shows, found by rendering a turn that has it."""

    def shows(what: str, *messages: Message) -> bool:
        try:
            return what in render(tokenizer, source, messages, prompt=False, name=name).text
        except Refused:
            return False

    question, answer = PROBE
    calling = Message("assistant", "", calls=(_CALL_PROBE,))
    result = Message("tool", "here", call_id=_CALL_PROBE.id, name=_CALL_PROBE.name)
    return Takes(
        reasoning=shows(_THOUGHT_PROBE, question, replace(answer, reasoning=_THOUGHT_PROBE)),
        calls=shows("hither", question, calling) or shows("hither", question, calling, result, answer),
        tools=shows("handpicks", replace(question, tools=_TOOL_PROBE), answer),
    )


def _turn(message: Message, takes: Takes) -> dict[str, object]:
    """A turn as a template sees it. Only our Alpaca template asks for the instruction and its input apart."""
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    if message.input:
        turn |= {"instruction": message.instruction, "input": message.input}
    if message.name:
        turn["name"] = message.name
    if message.call_id:
        turn["tool_call_id"] = message.call_id
    if not message.reasoning and not message.calls:
        return turn
    apart = Message(
        message.role,
        message.content,
        reasoning="" if takes.reasoning else message.reasoning,
        calls=() if takes.calls else message.calls,
    )
    turn["content"] = apart.text
    if message.reasoning and takes.reasoning:
        turn |= dict.fromkeys(("reasoning_content", "reasoning", "thinking"), message.reasoning)
    if message.calls and takes.calls:
        turn["tool_calls"] = [_called(call) for call in message.calls]
    return turn


def _called(call: ToolCall) -> dict[str, object]:
    """A call as chat templates want it: its arguments as an object where they are one."""
    arguments: object = call.arguments
    try:
        found = json.loads(call.arguments)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        arguments = found
    return {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": arguments}}


def _declared(messages: Sequence[Message]) -> list[object] | None:
    """The tools that the conversation declares, where they are a list of objects."""
    for message in messages:
        if message.tools:
            try:
                found = json.loads(message.tools)
            except (ValueError, RecursionError):
                return None
            return (
                found if isinstance(found, list) and all(isinstance(tool, dict) for tool in found) else None
            )
    return None


def texts_in(arguments: str) -> Iterator[str]:
    """The texts of the values in the arguments of a call; those themselves where they are not JSON."""
    try:
        waiting = [json.loads(arguments)]
    except (ValueError, RecursionError):
        yield arguments
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
