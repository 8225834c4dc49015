"""The turns of a conversation as messages, with all that they say: text, thoughts, tool calls
and results, names, weights.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handpicked.records import Message, ToolCall
from handpicked.records.response_parts import thought_and_answer

Turn = Mapping[str, object]

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing", "function_call"), "assistant"
    ),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "ipython"), "tool"),
}
SPEAKERS = ("role", "from", "sender", "speaker", "author")
"""The fields of a turn that say whose it is."""
SAID = ("content", "value", "parts", "text", "message")
"""The fields of a turn that hold what was said."""
REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
"""The fields of a turn, or of a row, that may hold a thought."""
CALLS = ("tool_calls", "function_call", "function_calls")
CALL_IDS = ("tool_call_id", "tool_use_id", "call_id", "toolUseId")
CALL_PARTS = ("functionCall", "function_call", "toolUse")
"""The fields of a part that hold a call (Gemini, Bedrock)."""
RESULT_PARTS = ("functionResponse", "function_response", "toolResult")
"""The fields of a part that hold what a tool returned (Gemini, Bedrock)."""
ROUNDS = (
    ("input", "output"),
    ("human", "assistant"),
    ("human", "bot"),
    ("user", "assistant"),
    ("user", "bot"),
    ("prompt", "response"),
    ("question", "answer"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("query", "response"),
)
"""The fields of an object that is a question and its answer (XTuner, Firefly)."""
UNLEARNED = ("train", "loss")
"""Fields that are false where a turn is not to be learned (axolotl and others)."""
READ = frozenset(
    {*SPEAKERS, *SAID, "input", "name", "weight", "channel", *REASONING, *CALLS, *CALL_IDS, *UNLEARNED}
)  # fmt: skip
"""The fields of a turn that are understood."""
MOST_LITERAL = 1 << 22
"""Characters of a Python literal that are parsed; it takes a hundred times their memory."""
NO_COMMA = re.compile(r"\}\s*\n\s*\{")
BLANK = " \t\n\r\f\v"
"""What counts as blank: ASCII white space, so that Arrow and Python agree on it."""


class BadRow(ValueError):
    """This row cannot be read. ``str(error)`` is the reason that ``Rejected`` reports."""


def turns_of(listed: list[Any], field: str) -> list[Message]:
    """A list of turns as messages. Bare texts alternate between user and assistant (LIMA, UltraChat).

    A turn of gpt-oss's channel ``analysis``, or an item ``reasoning`` of OpenAI's Responses, is the thought of
    the assistant's turn after it. Raises BadRow.
    """
    if not listed:
        raise BadRow(f"field '{field}' is an empty list")
    if all(isinstance(turn, str) for turn in listed):
        return [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(listed)]
    found: list[Message] = []
    analysis = ""
    for index, turn in enumerate(listed):
        for message in read_turn(turn, field, index):
            if _is_analysis(turn) and not message.calls:
                analysis = "\n".join(part for part in (analysis, message.content, message.reasoning) if part)
            elif analysis and message.role == "assistant" and not message.reasoning:
                found.append(replace(message, reasoning=analysis))
                analysis = ""
            else:
                found.append(message)
    return [*found, Message("assistant", "", reasoning=analysis)] if analysis else found


def _is_analysis(turn: object) -> bool:
    return isinstance(turn, Mapping) and (
        turn.get("channel") == "analysis" or (turn.get("type") == "reasoning" and "role" not in turn)
    )


def read_turn(turn: object, field: str, index: int) -> list[Message]:
    """One turn as a message, after the results of tools that it holds (Anthropic puts them into the
    user's turn). A question and its answer in one object are two. Raises BadRow.
    """
    if not isinstance(turn, Mapping):
        raise BadRow(
            f"turn {index + 1} of '{field}' is {kind_name(turn)}, not an object with a role and content"
        )
    whose = speaker(turn)
    if whose is None:
        return _without_role(turn, f"turn {index + 1} of '{field}'")
    role = ROLES.get(whose.strip(BLANK).lower()) if isinstance(whose, str) else None
    if role is None:
        raise BadRow(f"turn {index + 1} of '{field}' has the unknown role {json.dumps(whose)[:80]}")
    if len(turn) == 2 and isinstance(text := said(turn), str) and whose != "function_call":
        return [Message(role, text)]  # as most turns are
    content = _content(turn, whose == "function_call", f"turn {index + 1} of '{field}'")
    further = turn.get("input")
    known = isinstance(further, str) and content.text.endswith(f"\n\n{further}")  # as ``refine`` writes a row
    message = Message(
        role,
        content.text,
        further if known and isinstance(further, str) else "",
        content.reasoning,
        content.calls,
        next((turn[name] for name in CALL_IDS if isinstance(turn.get(name), str)), ""),
        turn["name"] if isinstance(turn.get("name"), str) else "",
        _weight(turn),
    )
    alone = content.results and not content.text and not content.calls
    return [*content.results] if alone else [*content.results, message]


def speaker(turn: Turn) -> object:
    """Whose turn it is; ``None`` where it does not say."""
    return next((whose for name in SPEAKERS if (whose := turn.get(name))), None)


def said(turn: Turn) -> object:
    """What a turn says: a text, blocks, or ``None``."""
    return next((turn[name] for name in SAID if turn.get(name) is not None), None)


def round_of(turn: Turn) -> tuple[str, str] | None:
    """The fields of an object that is a question and its answer."""
    return next((both for both in ROUNDS if all(isinstance(turn.get(name), str) for name in both)), None)


def _without_role(turn: Turn, where: str) -> list[Message]:
    """A round of a question and its answer, or an item of OpenAI's Responses that is no message."""
    kind = turn.get("type")
    if kind == "reasoning":
        said = turn.get("content") or turn.get("summary") or []
        return [Message("assistant", "", reasoning=text_of_blocks(said, where))]
    if kind == "function_call" and (call := _call(turn)) is not None:
        return [Message("assistant", "", calls=(replace(call, id=str(turn.get("call_id") or call.id)),))]
    if kind == "function_call_output":
        output = turn.get("output")
        text = output if isinstance(output, str) else json_text(output)
        return [Message("tool", text, call_id=str(turn.get("call_id") or ""))]
    both = round_of(turn)
    if both is None:
        raise BadRow(f"{where} has no role")
    system = turn.get("system")
    before = [Message("system", system)] if isinstance(system, str) and system.strip(BLANK) else []
    return [*before, Message("user", str(turn[both[0]])), Message("assistant", str(turn[both[1]]))]


@dataclass(frozen=True)
class _Content:
    """What a turn holds: its text, thought and calls, and the results of tools."""

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[Message, ...] = ()


def _content(turn: Turn, is_call: bool, where: str) -> _Content:
    content = said(turn)
    reasoning = next((text for name in REASONING if (text := _thought(turn.get(name)))), "")
    calls, unreadable = _calls_of(turn)
    if isinstance(content, str):
        if is_call and (made := calls_in(literal(content))):
            return _Content("", reasoning, made)
        if reasoning and thought_and_answer(content)[0] == reasoning.strip():
            reasoning = ""  # the row says it twice
        return _Content(content, reasoning, calls)
    if isinstance(content, Mapping):  # a single block
        content = [content]
    if isinstance(content, list):
        found = _blocks(content, where)
        return _Content(found.text, found.reasoning or reasoning, (*found.calls, *calls), found.results)
    if content is None and (calls or reasoning or unreadable):
        return _Content(unreadable, reasoning, calls)
    raise BadRow(f"{where} has content that is {kind_name(content)}, not text")


def _calls_of(turn: Turn) -> tuple[tuple[ToolCall, ...], str]:
    """The calls of a turn; where they are none that can be read, their JSON."""
    for name in CALLS:
        value = turn.get(name)
        if not value:
            continue
        made = calls_in(literal(value) if isinstance(value, str) else value)
        return (made, "") if made else ((), json_text(value))
    return (), ""


def calls_in(value: object) -> tuple[ToolCall, ...]:
    """Tool calls as OpenAI, Hugging Face and ShareGPT write them: one or a list; nothing where any is none."""
    listed = value if isinstance(value, list) else [value]
    made = [_call(one) for one in listed]
    return tuple(one for one in made if one is not None) if None not in made else ()


def _call(value: object) -> ToolCall | None:
    if not isinstance(value, Mapping):
        return None
    function = value.get("function")
    said = function if isinstance(function, Mapping) else value
    name = said.get("name")
    if not isinstance(name, str):
        return None
    found = [said[key] for key in ("arguments", "parameters", "input", "args") if said.get(key) is not None]
    arguments: object = found[0] if found else {}
    text = arguments if isinstance(arguments, str) else json_text(arguments)
    id_ = value.get("id", value.get("toolUseId"))
    return ToolCall(name, text, id_ if isinstance(id_, str) else "", isinstance(arguments, str))


def _blocks(blocks: list[Any], where: str) -> _Content:
    """The blocks of a content, as OpenAI, Anthropic and Mistral have them. Raises BadRow for
    one that is none of text.
    """
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    for block in blocks:
        kind = block.get("type") if isinstance(block, Mapping) else None
        part = _part(block) if kind is None else None
        if isinstance(part, ToolCall):
            calls.append(part)
        elif part is not None:
            results.append(part)
        elif kind is None and isinstance(block, Mapping) and block.get("thought") is True:
            thoughts.append(_block(block, where))
        elif kind in ("thinking", "reasoning", "think"):
            thoughts.append(
                next((text for name in (*REASONING, "text") if (text := _thought(block.get(name)))), "")
            )
        elif kind in ("tool_use", "tool_call", "function") and (call := _call(block)) is not None:
            calls.append(call)
        elif kind == "tool_result":
            results.append(_result(block, where))
        else:
            texts.append(_block(block, where))
    return _Content("".join(texts), "\n".join(thoughts), tuple(calls), tuple(results))


def _part(block: Any) -> ToolCall | Message | None:
    """The call, or the result of a tool, that an untyped part holds (Gemini, Bedrock)."""
    if not isinstance(block, Mapping):
        return None
    call = next((block[name] for name in CALL_PARTS if block.get(name)), None)
    if call is not None:
        return _call(call)
    result = next((block[name] for name in RESULT_PARTS if isinstance(block.get(name), Mapping)), None)
    if result is None:
        return None
    said = result.get("response", result.get("content"))
    call_id = next((result[name] for name in (*CALL_IDS, "id") if isinstance(result.get(name), str)), "")
    name = result["name"] if isinstance(result.get("name"), str) else ""
    return Message("tool", said if isinstance(said, str) else json_text(said), call_id=call_id, name=name)


def text_of_blocks(value: Any, where: str) -> str:
    """The text of a system prompt or a summary that is written as blocks, or as an object with parts.

    Raises BadRow for a block that is not text.
    """
    if isinstance(value, Mapping):
        value = value.get("parts", value.get("content", [value]))
    return value if isinstance(value, str) else "".join(_block(one, where) for one in value or [])


def _result(block: Turn, where: str) -> Message:
    said = block.get("content")
    text = "".join(_block(one, where) for one in said) if isinstance(said, list) else said
    call_id = next((found for name in CALL_IDS if isinstance(found := block.get(name), str)), "")
    return Message("tool", text if isinstance(text, str) else json_text(text), call_id=call_id)


def _block(block: object, where: str) -> str:
    text = block.get("text") if isinstance(block, Mapping) else block
    if isinstance(text, str):
        return text
    kind = block.get("type", "untyped") if isinstance(block, Mapping) else kind_name(block)
    raise BadRow(f"{where} has a content block that is not text ({kind})")


def _thought(value: object) -> str:
    """A thought that is a text, or blocks of text; anything else that is not empty as JSON. True and false say
    whether a model was to think, and are no thought.
    """
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return value if value.strip(BLANK) else ""
    if isinstance(value, list) and value and all(isinstance(one, str | Mapping) for one in value):
        parts = [one if isinstance(one, str) else one.get("text") for one in value]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    return "" if value is None or value == [] or value == {} or value != value else json_text(value)


def _weight(turn: Turn) -> float | None:
    weight = turn.get("weight")
    if isinstance(weight, int | float) and not isinstance(weight, bool) and weight == weight:
        return float(weight)
    return 0.0 if any(turn.get(name) is False for name in UNLEARNED) else None


def tools_in(value: object) -> str:
    """The tools that a row declares as JSON text: a list, or the text of one. A text that
    is not JSON stays as it is.
    """
    if isinstance(value, str):
        text = value.strip(BLANK)
        value = literal(text)
        if value is None:
            return "" if text.lower() in ("none", "null", "nan") else text
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list) or not value:
        return ""
    bare = [{"type": "function", "function": one} if _is_bare(one) else one for one in value]
    return json_text(bare)


def _is_bare(tool: object) -> bool:
    """Whether a tool is declared as OpenAI's old ``functions`` were."""
    return isinstance(tool, Mapping) and "name" in tool and "function" not in tool and "type" not in tool


def json_text(value: object) -> str:
    """A value as JSON text in Unicode; a lone surrogate, which UTF-8 has not, as its escape."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=str)
    return text


def unread_fields(listed: object) -> Iterator[str]:
    """The fields of turns that hold something and are not understood."""
    for turn in listed if isinstance(listed, list) else ():
        if isinstance(turn, dict) and len(turn) > 2 and not turn.keys() <= READ:
            yield from (str(key) for key in turn if key not in READ and turn[key] not in (None, "", [], {}))


def literal(text: str) -> object:
    """The list or object that a text holds as JSON or as Python writes it; ``None`` where it holds none.

    Numpy writes a list of objects with line ends between them instead of commas.
    """
    text = text.strip(BLANK)
    if text[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > MOST_LITERAL:
        return None
    try:
        return ast.literal_eval(NO_COMMA.sub("}, {", text))
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def listed_turns(value: object) -> object:
    """The turns that a text lists; any other value as it is."""
    found = literal(value) if isinstance(value, str) and value.lstrip(BLANK)[:1] == "[" else None
    return found if isinstance(found, list) and found and all(map(is_turn, found)) else value


def is_turn(value: object) -> bool:
    """Whether a value is an object with a role and something said."""
    return (
        isinstance(value, Mapping)
        and any(name in value for name in SPEAKERS)
        and any(name in value for name in (*SAID, *CALLS, *REASONING))
    )


def zipped(columns: Mapping[str, object]) -> object:
    """Turns that ``datasets`` turned into lists, one for each of their fields."""
    lists = {name: part for name, part in columns.items() if isinstance(part, list)}
    if not lists or len(lists) < len(columns) or len({len(part) for part in lists.values()}) > 1:
        return columns
    return [dict(zip(lists, turn, strict=True)) for turn in zip(*lists.values(), strict=True)]


def kind_name(value: object) -> str:
    """What a value is, in a reader's words."""
    if value is None:
        return "null"
    names = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), f"a {type(value).__name__}")
