"""The turns of a conversation as messages, with all that they say: text, thoughts, tool calls
and results, names, weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, groupby
from typing import Any

from handpicked.data.formats.blocks import (
    REASONING,
    RESULT_PARTS,
    Content,
    content_of,
    is_result,
    text_of_blocks,
    thought_in,
)
from handpicked.data.formats.calls import CALL_IDS, CALLS, call_id, call_in, calls_in, calls_of, tools_in
from handpicked.data.formats.cells import BLANK, BadRow, json_text, kind_name, literal
from handpicked.records import Message
from handpicked.records.response_parts import thought_and_answer

Turn = Mapping[str, object]

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai", "agent", "bard", "bing", "function_call",
         "tool_call"),
        "assistant",
    ),
    **dict.fromkeys(
        ("tool", "function", "observation", "function_response", "tool_response", "tool_result", "environment",
         "ipython"),
        "tool",
    ),
}  # fmt: skip
"""What each word for a speaker means; hyphens in it are underscores."""
CALLERS = ("function_call", "tool_call")
"""Speakers whose content is a call."""
PLAIN = ROLES.keys() - CALLERS
SPEAKERS = ("role", "from", "sender", "speaker", "author")
"""The fields of a turn that say whose it is."""
TYPES = ("human", "ai", "system", "tool", "function", "developer")
"""Speakers that the field ``type`` may name (LangChain)."""
SAID = ("content", "value", "parts", "text", "message", "refusal")
"""The fields of a turn that hold what was said."""
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
UNLEARNED = ("train", "training", "loss")
"""Fields that are false where a turn is not to be learned (axolotl and others)."""
TOOLS = ("tools", "functions")
"""The fields of a system turn, or of a row, that declare tools."""
READ = frozenset(
    {*SPEAKERS, *SAID, "input", "type", "name", "weight", "channel", *REASONING, *CALLS, *CALL_IDS, *UNLEARNED, *TOOLS,
     "additional_kwargs"}
)  # fmt: skip
"""The fields of a turn that are understood."""
BLOCK = frozenset({"type", "text", *RESULT_PARTS})
"""Fields of which a block has one at least."""
OF_ROUNDS = frozenset({"system", *(name for both in ROUNDS for name in both)})
"""Those of a question and its answer in one object."""
OF_ITEMS = frozenset({"summary", "arguments", "output", "id", "status"})
"""Those of an item of OpenAI's Responses."""


def turns_of(listed: list[Any], field: str) -> list[Message]:
    """A list of turns as messages. Bare texts alternate between user and assistant (LIMA, UltraChat).

    Pairs of texts are a role and what it says, or a question and its answer.

    A turn of gpt-oss's channel ``analysis``, or an item ``reasoning`` of OpenAI's Responses, is the thought of
    the assistant's turn after it. Calls that are turns of their own, one after the other, are one turn. Raises
    BadRow.
    """
    listed = [turn for turn in listed if turn is not None]
    if len(listed) == 1 and isinstance(listed[0], list):
        listed = listed[0]  # the only conversation of a batch
    if are_pairs(listed):
        named = all(role_of(whose) for whose, _ in listed)
        listed = [{"role": one[0], "content": one[1]} for one in listed] if named else [*chain(*listed)]
    if not listed:
        raise BadRow(f"field '{field}' is an empty list")
    if all(isinstance(turn, str) for turn in listed):
        return [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(listed)]
    found: list[Message] = []
    analysis = ""
    called = False
    for index, turn in enumerate(listed):
        for message in read_turn(turn, field, index):
            if _is_analysis(turn) and not message.calls:
                analysis = "\n".join(part for part in (analysis, message.content, message.reasoning) if part)
            elif analysis and message.role == "assistant" and not message.reasoning:
                found.append(replace(message, reasoning=analysis))
                analysis = ""
            elif called and message.calls and _is_call(turn):
                found[-1] = replace(found[-1], calls=(*found[-1].calls, *message.calls))
            else:
                found.append(message)
        called = bool(found and found[-1].calls) and _is_call(turn)
    return [*found, Message("assistant", "", reasoning=analysis)] if analysis else found


def are_pairs(listed: object) -> bool:
    """Whether these are two texts each: a question and its answer, or a speaker and what he says."""
    return (
        isinstance(listed, list)
        and bool(listed)
        and all(
            isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one)
            for one in listed
        )
    )


def _is_analysis(turn: object) -> bool:
    return isinstance(turn, Mapping) and (
        turn.get("channel") == "analysis" or (turn.get("type") == "reasoning" and "role" not in turn)
    )


def _is_call(turn: object) -> bool:
    """Whether a turn, or an item of OpenAI's Responses, is a call and nothing else."""
    return isinstance(turn, Mapping) and (
        _word(speaker(turn)) in CALLERS or (turn.get("type") == "function_call" and "role" not in turn)
    )


def read_turn(turn: object, field: str, index: int) -> list[Message]:
    """One turn as a message, after the results of tools that it holds (Anthropic puts them into the
    user's turn). A question and its answer in one object are two; what a tool returned in the middle of an
    assistant's turn parts it. Raises BadRow.
    """
    if not isinstance(turn, Mapping):
        raise BadRow(
            f"turn {index + 1} of '{field}' is {kind_name(turn)}, not an object with a role and content"
        )
    whose = speaker(turn)
    if len(turn) == 2 and isinstance(whose, str) and whose in PLAIN and isinstance(text := said(turn), str):
        return [Message(ROLES[whose], text)]  # as most turns are
    where = f"turn {index + 1} of '{field}'"
    turn = unwrapped(turn)
    whose = speaker(turn)
    if whose is None:
        return _without_role(turn, where)
    role = role_of(whose)
    if role is None:
        raise BadRow(f"{where} has the unknown role {json.dumps(whose)[:80]}")
    calls = role == "assistant" and _word(whose) in CALLERS
    return [
        message
        for part in (_between_results(turn) if role == "assistant" else [turn])
        for message in _read(part, role, calls, where)
    ]


def _read(turn: Turn, role: str, is_call: bool, where: str) -> list[Message]:
    content = _returned_json(turn) if role == "tool" else None
    content = content or _content(turn, is_call, where)
    further = turn.get("input")
    known = isinstance(further, str) and content.text.endswith(f"\n\n{further}")  # as ``refine`` writes a row
    name = turn.get("name")
    message = Message(
        role,
        content.text,
        further if known and isinstance(further, str) else "",
        content.reasoning,
        content.calls,
        call_id(turn),
        name if isinstance(name, str) else "",
        _weight(turn),
        tools_in(next((turn[name] for name in TOOLS if turn.get(name)), None)) if role == "system" else "",
    )
    alone = content.results and not content.text and not content.calls
    return [*content.results] if alone else [*content.results, message]


def _returned_json(turn: Turn) -> Content | None:
    """What a tool returned where that is no text and no blocks, but nothing, or an object of its own."""
    value = said(turn)
    if value is None and not calls_of(turn)[0]:
        return Content("")
    listed = value if isinstance(value, list) else [value]
    objects = bool(listed) and all(
        isinstance(one, Mapping) and one.keys().isdisjoint(BLOCK) for one in listed
    )
    return Content(json_text(value)) if objects else None


def _between_results(turn: Turn) -> list[Turn]:
    """The parts of a turn before, between and after what tools returned in the middle of it."""
    field = next((name for name in SAID if turn.get(name) is not None), "")
    blocks = turn.get(field)
    if not isinstance(blocks, list) or not any(map(is_result, blocks)):
        return [turn]
    return [{**turn, field: [*run]} for _, run in groupby(blocks, is_result)]


def unwrapped(turn: Turn) -> Turn:
    """A turn without what LangChain puts around it: ``{"type": "human", "data": {...}}``, or
    ``{"lc": 1, "id": [..., "HumanMessage"], "kwargs": {...}}``. Its ``additional_kwargs`` are fields, too, and
    ``{"user": "..."}`` has its role as a name.
    """
    inner = turn.get("data", turn.get("kwargs"))
    if isinstance(inner, Mapping) and "type" in turn and not any(turn.get(name) for name in SPEAKERS):
        path = turn.get("id")
        whose = path[-1] if isinstance(path, list) and path else turn["type"]
        turn = inner if any(inner.get(name) for name in SPEAKERS) else {**inner, "role": whose}
    elif len(turn) == 1 and isinstance(text := turn.get(name := next(iter(turn))), str) and role_of(name):
        turn = {"role": name, "content": text}
    further = turn.get("additional_kwargs")
    if isinstance(further, Mapping):
        turn = {**turn, **{name: value for name, value in further.items() if not turn.get(name)}}
    return turn


def speaker(turn: Turn) -> object:
    """Whose turn it is; ``None`` where it does not say."""
    for name in SPEAKERS:
        if whose := turn.get(name):
            return whose
    kind = turn.get("type")
    return kind if kind and _word(kind) in TYPES else None


def role_of(whose: object) -> str | None:
    """The role that a word for a speaker means; ``None`` where it is not known."""
    plain = ROLES.get(whose) if isinstance(whose, str) else None
    return plain or ROLES.get(_word(whose))


def _word(whose: object) -> str:
    """A word for a speaker in one spelling; LangChain's ``AIMessageChunk`` is ``ai``."""
    if not isinstance(whose, str):
        return ""
    return whose.strip(BLANK).lower().replace("-", "_").removesuffix("chunk").removesuffix("message")


def said(turn: Turn) -> object:
    """What a turn says: a text, blocks, or ``None``."""
    for name in SAID:
        if (value := turn.get(name)) is not None:
            return value
    return None


def round_of(turn: Turn) -> tuple[str, str] | None:
    """The fields of an object that is a question and its answer."""
    return next((both for both in ROUNDS if all(isinstance(turn.get(name), str) for name in both)), None)


def _without_role(turn: Turn, where: str) -> list[Message]:
    """A round of a question and its answer, or an item of OpenAI's Responses that is no message."""
    kind = turn.get("type")
    if kind == "reasoning":
        said = turn.get("content") or turn.get("summary") or []
        return [Message("assistant", "", reasoning=text_of_blocks(said, where))]
    if kind in ("function_call", "custom_tool_call", "mcp_call") and (call := call_in(turn)) is not None:
        made = Message("assistant", "", calls=(replace(call, id=call_id(turn) or call.id),))
        return [made] if turn.get("output") is None else [made, _returned(turn)]
    if isinstance(kind, str) and kind.endswith("_call_output"):
        return [_returned(turn)]
    both = round_of(turn)
    if both is None:
        raise BadRow(f"{where} has no role" + (f" (its type is {json.dumps(kind)[:80]})" if kind else ""))
    system = turn.get("system")
    before = [Message("system", system)] if isinstance(system, str) and system.strip(BLANK) else []
    return [*before, Message("user", str(turn[both[0]])), Message("assistant", str(turn[both[1]]))]


def _returned(item: Turn) -> Message:
    """The output of a tool that an item of OpenAI's Responses holds."""
    output = item.get("output")
    return Message("tool", output if isinstance(output, str) else json_text(output), call_id=call_id(item))


def _content(turn: Turn, is_call: bool, where: str) -> Content:
    content = said(turn)
    reasoning = next((text for name in REASONING if (text := thought_in(turn.get(name)))), "")
    calls, unreadable = calls_of(turn)
    if isinstance(content, str):
        if is_call and (made := calls_in(literal(content))):
            return Content("", reasoning, made)
        if reasoning and thought_and_answer(content)[0] == reasoning.strip():
            reasoning = ""  # the row says it twice
        return Content("\n".join(filter(None, (content, unreadable))), reasoning, calls)
    if is_call and (made := calls_in(content)):
        return Content("", reasoning, made)
    if isinstance(content, Mapping):  # a single block
        content = [content]
    if isinstance(content, list):
        found = content_of(content, where)
        return Content(found.text, found.reasoning or reasoning, (*found.calls, *calls), found.results)
    if isinstance(content, int | float) and not isinstance(content, bool) and content == content:
        return Content(json_text(content), reasoning, calls)
    if content is None and (calls or reasoning or unreadable):
        return Content(unreadable, reasoning, calls)
    raise BadRow(f"{where} has content that is {kind_name(content)}, not text")


def _weight(turn: Turn) -> float | None:
    weight = turn.get("weight")
    if isinstance(weight, int | float) and not isinstance(weight, bool) and weight == weight:
        return float(weight)
    return 0.0 if any(turn.get(name) is False for name in UNLEARNED) else None


def unread_fields(listed: object) -> Iterator[str]:
    """The fields of turns that hold something and are not understood."""
    for turn in listed if isinstance(listed, list) else ():
        if isinstance(turn, dict) and ("data" in turn or "kwargs" in turn):
            turn = unwrapped(turn)
        if isinstance(turn, dict) and len(turn) > 2 and not turn.keys() <= READ:
            known = READ if speaker(turn) is not None and "type" not in turn else READ | OF_ITEMS | OF_ROUNDS
            yield from (str(key) for key in turn if key not in known and turn[key] not in (None, "", [], {}))


def listed_turns(value: object) -> object:
    """The turns that a text lists, or the one that it is; any other value as it is."""
    found = literal(value) if isinstance(value, str) else None
    listed = found if isinstance(found, list) else [found]
    return found if listed and all(map(is_turn, listed)) else value


def are_turns(value: object) -> bool:
    """Whether a value is a list of turns, and not an empty one."""
    return isinstance(value, list) and bool(value) and all(map(is_turn, value))


def is_turn(value: object) -> bool:
    """Whether a value is an object with a role and something said."""
    if not isinstance(value, Mapping):
        return False
    turn = unwrapped(value)
    return (any(name in turn for name in SPEAKERS) or _word(turn.get("type")) in TYPES) and any(
        name in turn for name in (*SAID, *CALLS, *REASONING)
    )
