"""Row formats: which fields of a row hold the conversation, and how they were recognised.

Two shapes cover them all. ``Pairs``: a prompt field and a response field, with an optional further input, system text and
history (Alpaca, Dolly, TRL prompt/completion, question/answer). ``Chat``: one field holding the turns (ShareGPT, messages).
Both turn one row into messages, or raise ``BadRow`` saying why they cannot.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handpicked.records import Message, Turns, prompt_text

Row = Mapping[str, Any]

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bot", "model", "bard", "bing", "function_call"), "assistant"
    ),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "ipython"), "tool"),
}
MOST_LITERAL = 1 << 22
"""Characters of a Python literal that are parsed; it takes a hundred times their memory."""
NO_COMMA = re.compile(r"\}\s*\n\s*\{")
BLANK = " \t\n\r\f\v"
"""What counts as blank: ASCII white space, so that Arrow and Python agree on it."""


class BadRow(ValueError):
    """This row cannot be read. ``str(error)`` is the reason that ``Rejected`` reports."""


@dataclass(frozen=True)
class Pairs:
    """A prompt field and a response field; either may itself hold a list of turns (TRL's conversational form), which is a text
    where ``listed`` (in a CSV).
    """

    name: str
    prompt: str
    response: str
    input: str | None = None
    system: str | None = None
    history: str | None = None
    listed: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        named = (self.prompt, self.input, self.response, self.system, self.history)
        return tuple(field for field in named if field is not None)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.prompt, self.response)

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order: system, history, prompt with its input after a blank line, response."""
        turns = _system(row, self.system)
        if self.history is not None:
            turns += _history(row.get(self.history))
        question, answer = _value(row.get(self.prompt)), _value(row.get(self.response))
        if self.listed:
            question, answer = listed_turns(question), listed_turns(answer)
        if isinstance(question, list):
            turns += _turns(question, self.prompt)
        else:
            text = _text(question, self.prompt, row)
            further = _text(row.get(self.input), self.input, row) if self.input is not None else ""
            if question is None and not further:
                raise BadRow(_absent(self.prompt, row))
            turns.append(instruction_turn(text, further))
        if isinstance(answer, list):
            turns += _turns(answer, self.response)
        elif isinstance(answer, Mapping):
            turns.append(_turn(answer, self.response, 0))
        else:
            if answer is None:
                raise BadRow(_absent(self.response, row))
            turns.append(Message("assistant", _text(answer, self.response, row)))
        return turns


@dataclass(frozen=True)
class Chat:
    """One field holding the turns; ``answer`` is a further field with the last turn (preference data: the chosen one)."""

    name: str
    turns: str
    system: str | None = None
    answer: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are read, of those a row may have."""
        return tuple(field for field in (self.turns, self.system, self.answer) if field is not None)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.turns,)

    def messages(self, row: Row) -> list[Message]:
        """The row's turns, in order."""
        listed = row.get(self.turns)
        if isinstance(listed, str):
            listed = _parsed(listed, self.turns)
        if isinstance(listed, Mapping):
            listed = _zipped(listed)
        if _value(listed) is None:
            raise BadRow(_absent(self.turns, row))
        if not isinstance(listed, list):
            raise BadRow(f"field '{self.turns}' is {_kind(listed)}, not a list of turns")
        turns = _turns(listed, self.turns)
        if not any(turn.role == "system" for turn in turns[:1]):
            turns = _system(row, self.system) + turns
        chosen = row.get(self.answer) if self.answer is not None else None
        if isinstance(chosen, Mapping):
            turns.append(_turn(chosen, self.answer or "", 0))
        elif isinstance(chosen, str):
            turns.append(Message("assistant", chosen))
        return turns


RowFormat = Pairs | Chat


def texts(messages: Sequence[Message], turns: Turns) -> tuple[str, str]:
    """Prompt and response of a conversation by the rule of ``turns`` (see ``records.Example``).

    Raises BadRow where there is nothing to learn: no assistant turn, a blank response, or a blank prompt.
    """
    answers = [index for index, message in enumerate(messages) if message.role == "assistant"]
    if not answers:
        raise BadRow("no assistant turn")
    if turns == "last":
        asked: Sequence[Message] = messages[: answers[-1]]
        response = messages[answers[-1]].content
    else:
        asked = [message for message in messages if message.role != "assistant"]
        response = "\n\n".join(messages[index].content for index in answers)
    if not response.strip(BLANK):
        raise BadRow("the response is empty")
    if all(not message.content.strip(BLANK) for message in asked):
        raise BadRow("the prompt is empty")
    return prompt_text(asked), response


def instruction_turn(instruction: str, further: str) -> Message:
    """An instruction and its further input as one user turn, a blank line between them where both are there."""
    if instruction and further:
        return Message("user", f"{instruction}\n\n{further}", further)
    return Message("user", instruction or further)


def _turns(listed: list[Any], field: str) -> list[Message]:
    """A list of turns as messages. Bare texts alternate between user and assistant (LIMA, UltraChat)."""
    if not listed:
        raise BadRow(f"field '{field}' is an empty list")
    if all(isinstance(turn, str) for turn in listed):
        return [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(listed)]
    return [_turn(turn, field, index) for index, turn in enumerate(listed)]


def _turn(turn: Any, field: str, index: int) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRow(f"turn {index + 1} of '{field}' is {_kind(turn)}, not an object with a role and content")
    said = turn.get("role") or turn.get("from")
    if said is None:
        raise BadRow(f"turn {index + 1} of '{field}' has no role")
    role = ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        raise BadRow(f"turn {index + 1} of '{field}' has the unknown role {json.dumps(said)[:80]}")
    content, further = _content(turn, field, index), turn.get("input")
    known = isinstance(further, str) and content.endswith(f"\n\n{further}")  # as ``refine`` writes a row
    return Message(role, content, further if known and isinstance(further, str) else "")


def _content(turn: Row, field: str, index: int) -> str:
    content = turn.get("content")
    if content is None:
        content = turn.get("value")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_block(block, field, index) for block in content)
    for calls in ("tool_calls", "function_call"):
        if content is None and turn.get(calls):
            return json.dumps(turn[calls], ensure_ascii=False)
    raise BadRow(f"turn {index + 1} of '{field}' has content that is {_kind(content)}, not text")


def _block(block: Any, field: str, index: int) -> str:
    text = block.get("text") if isinstance(block, Mapping) else block
    if isinstance(text, str):
        return text
    kind = block.get("type", "untyped") if isinstance(block, Mapping) else _kind(block)
    raise BadRow(f"turn {index + 1} of '{field}' has a content block that is not text ({kind})")


def _history(history: Any) -> list[Message]:
    """LLaMA-Factory history: a list of [question, answer] pairs before the current one."""
    turns: list[Message] = []
    if isinstance(history, str):
        history = _parsed(history, "history") if history.strip(BLANK) else None
    if _value(history) is None:
        return turns
    if not isinstance(history, list):
        raise BadRow(f"field 'history' is {_kind(history)}, not a list of [question, answer] pairs")
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise BadRow("field 'history' is not a list of [question, answer] pairs")
        turns += [Message("user", pair[0]), Message("assistant", pair[1])]
    return turns


def _system(row: Row, field: str | None) -> list[Message]:
    text = _text(row.get(field), field, row) if field is not None else ""
    return [Message("system", text)] if text else []


def _text(value: Any, field: str | None, row: Row) -> str:
    """A field as text: null (and NaN) is blank, a number is its JSON text, anything else is no text."""
    if isinstance(value, str):
        return value
    if _value(value) is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    raise BadRow(f"field '{field}' is {_kind(value)}, not text")


def _absent(field: str, row: Row) -> str:
    if field in row:
        return f"field '{field}' is null"
    return f"field '{field}' is missing (fields: {', '.join(map(str, row))[:200] or 'none'})"


def _value(value: Any) -> Any:
    """The value, or ``None`` for NaN, which is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _parsed(text: str, field: str) -> Any:
    """A list that a CSV or a text column holds as JSON or as a Python literal."""
    found = literal(text)
    if found is None:
        raise BadRow(f"field '{field}' is text that is not a JSON list of turns")
    return found


def literal(text: str) -> Any:
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


def listed_turns(value: Any) -> Any:
    """The turns that a text lists; any other value as it is."""
    found = literal(value) if isinstance(value, str) and value.lstrip(BLANK)[:1] == "[" else None
    return found if isinstance(found, list) and found and all(map(is_turn, found)) else value


def is_turn(value: Any) -> bool:
    """Whether a value is an object with a role and something said."""
    return isinstance(value, Mapping) and (
        ("role" in value and ("content" in value or "tool_calls" in value))
        or ("from" in value and "value" in value)
    )


def _zipped(columns: Mapping[str, Any]) -> Any:
    """Turns that ``datasets`` turned into lists, one for each of their fields."""
    lists = {name: part for name, part in columns.items() if isinstance(part, list)}
    if not lists or len(lists) < len(columns) or len({len(part) for part in lists.values()}) > 1:
        return columns
    return [dict(zip(lists, turn, strict=True)) for turn in zip(*lists.values(), strict=True)]


def _kind(value: Any) -> str:
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
