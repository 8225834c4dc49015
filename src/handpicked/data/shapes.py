"""The shapes of rows that trainers read: Alpaca, ShareGPT, messages, TRL's prompt and completion."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence

from handpicked.records import Example, Json, Message, ToolCall

FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def _alpaca(example: Example) -> dict[str, object]:
    """Alpaca with LLaMA-Factory's history: the last question and answer, and what came before them. A thought
    is text before its answer, and a tool call text after it.
    """
    system = "\n\n".join(turn.content for turn in example.messages if turn.role == "system")
    prompts: list[str] = []
    pairs: list[list[str]] = []
    last = max(index for index, turn in enumerate(example.messages) if turn.learned)
    for turn in example.messages[: last + 1]:
        if turn.role == "assistant":
            pairs.append(["\n\n".join(prompts), turn.text])
            prompts = []
        elif turn.role != "system":
            prompts.append(turn.content)
    *history, (instruction, output) = pairs
    tools = {"tools": tools_of(example.messages)} if tools_of(example.messages) else {}
    return {
        "instruction": instruction, "input": "", "output": output, "system": system, "history": history, **tools
    }  # fmt: skip


def _sharegpt(example: Example) -> dict[str, object]:
    """ShareGPT as LLaMA-Factory reads it: thoughts as text, a turn that only calls tools as
    ``function_call``, tools as JSON text.
    """
    tools = {"tools": tools_of(example.messages)} if tools_of(example.messages) else {}
    return {"conversations": [_from_and_value(turn) for turn in example.messages], **tools}


def _from_and_value(turn: Message) -> dict[str, object]:
    only_calls = turn.calls and not turn.content and not turn.reasoning
    calls = [
        {"name": call.name, "arguments": _arguments(call), **({"id": call.id} if call.id else {})}
        for call in turn.calls
    ]
    said = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False) if only_calls else turn.text
    more = {"name": turn.name, "tool_call_id": turn.call_id, "weight": turn.weight}
    more = {name: value for name, value in more.items() if value not in ("", None)}
    return {"from": "function_call" if only_calls else FROM[turn.role], "value": said, **more}


def _arguments(call: ToolCall) -> object:
    """The arguments as JSON where they are an object, else as the text that they are."""
    try:
        found = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments
    return found if isinstance(found, dict) else call.arguments


def _messages(example: Example) -> dict[str, object]:
    return {"messages": [openai_turn(turn) for turn in example.messages], **_declared(example.messages)}


def openai_turn(turn: Message) -> Json:
    """A turn as OpenAI, TRL and chat templates have it, with all that it says. The arguments of a
    call are as the row has them.
    """
    said: Json = {"role": turn.role, "content": turn.content}
    if turn.reasoning:
        said["reasoning_content"] = turn.reasoning
    if turn.calls:
        said["tool_calls"] = [
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments if call.quoted else json.loads(call.arguments),
                },
            }
            for call in turn.calls
        ]
    named = {"tool_call_id": turn.call_id, "name": turn.name}
    said |= {field: value for field, value in named.items() if value}
    return said if turn.weight is None else {**said, "weight": turn.weight}


def _declared(messages: Sequence[Message]) -> dict[str, object]:
    """The tools that a row declares, as a list where they are one."""
    text = tools_of(messages)
    if not text:
        return {}
    try:
        return {"tools": json.loads(text)}
    except ValueError:
        return {"tools": text}


def tools_of(messages: Sequence[Message]) -> str:
    """The JSON text of the tools that a conversation declares."""
    return next((turn.tools for turn in messages if turn.tools), "")


def _trl(example: Example) -> dict[str, object]:
    """TRL's conversational prompt-completion: loss on the final assistant turn that is learned alone."""
    last = max(index for index, turn in enumerate(example.messages) if turn.learned)
    turns = [openai_turn(turn) for turn in example.messages[: last + 1]]
    return {"prompt": turns[:last], "completion": turns[last:], **_declared(example.messages)}


SHAPES: Mapping[str, Callable[[Example], dict[str, object]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "trl": _trl,
}

TRAINERS = frozenset(
    {"prompt", "completion", "text", "messages", "conversations", "conversation", "response", "instruction", "input", "output",
     "system", "history", "tools", "functions", "label", "kto_tag", "chosen", "input_ids", "labels", "images"}
)  # fmt: skip
"""Fields that trainers read by their names: one of the pool is not carried into a row of
another shape under such a name.
"""


def is_carried(field: str) -> bool:
    """Whether a field beside the conversation goes with a row into another shape."""
    return field not in TRAINERS and "[]." not in field


def carried(example: Example, understood: Collection[str]) -> dict[str, object]:
    """The fields of a row beside its conversation, which go with it into another shape: sources, ids,
    ratings, the rejected side.
    """
    return {
        field: value
        for field, value in example.original.items()
        if field not in understood and is_carried(field)
    }
