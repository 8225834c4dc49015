"""A turn of a conversation, all that it says, and the identity of a conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128, xxh3_128_hexdigest

from handpicked.records.response_parts import thought_and_answer

if TYPE_CHECKING:
    from xxhash import xxh3_128

Json = dict[str, Any]
"""A JSON object that we wrote ourselves or asked for, whose reader knows the types of its fields. A row or a
reply that anybody may have written is a ``Mapping[str, object]``, and its reader looks.
"""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that an assistant's turn makes. ``arguments`` is JSON text, or any other text that the
    row has there.

    ``quoted`` says that the row holds the arguments as a text, as OpenAI does, and not as an object.
    """

    name: str
    arguments: str
    id: str = ""
    quoted: bool = field(default=True, compare=False)

    @property
    def text(self) -> str:
        """The call as one JSON object with its name and arguments; arguments that are
        no JSON are a JSON string.
        """
        try:
            json.loads(self.arguments)
        except (ValueError, RecursionError):
            return f'{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {json.dumps(self.arguments, ensure_ascii=False)}}}'
        return f'{{"name": {json.dumps(self.name, ensure_ascii=False)}, "arguments": {self.arguments}}}'


@dataclass(frozen=True, slots=True)
class Message:
    """All that one turn says. ``role`` is system, user, assistant or tool; ``content`` its text.

    ``input`` is the further input of an instruction, where the row has a field for it: the end of
    ``content``, after the instruction and a blank line. It changes neither the turn's identity nor its text.

    ``reasoning`` is a thought that the row keeps apart from the content (one inside the content stays there,
    see ``thought``), ``calls`` the tools that the turn calls, ``call_id`` the call whose result it is,
    ``name`` who speaks (a tool, a participant). ``weight`` 0 makes an assistant's turn context: nothing is
    learned from it. ``tools`` is the JSON text of the tools that the conversation declares, on its first
    turn.
    """

    role: str
    content: str
    input: str = field(default="", compare=False)
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    weight: float | None = None
    tools: str = ""

    @property
    def instruction(self) -> str:
        """``content`` without its ``input``."""
        return self.content.removesuffix(self.input).removesuffix("\n\n") if self.input else self.content

    @property
    def learned(self) -> bool:
        """Whether it is an assistant's turn that a model learns."""
        return self.role == "assistant" and self.weight != 0

    @property
    def text(self) -> str:
        """All that the turn says as one text: its thought between ``<think>`` and ``</think>``, its
        content, its calls, one a line.
        """
        if not self.reasoning and not self.calls:
            return self.content
        calls = "\n".join(call.text for call in self.calls)
        said = "\n".join(part for part in (self.content, calls) if part)
        return f"<think>\n{self.reasoning}\n</think>\n\n{said}" if self.reasoning else said

    @property
    def thought(self) -> str:
        """The turn's thought before its answer, in either place where a row may have it."""
        inside = thought_and_answer(self.content)[0]
        return "\n".join(part for part in (self.reasoning, inside) if part)

    @property
    def answer(self) -> str:
        """The content without the thought in it. Calls are not part of it."""
        return thought_and_answer(self.content)[1]

    def fields(self) -> Json:
        """Its fields for a file: role, content and input, and of the others those that it uses."""
        plain = {"role": self.role, "content": self.content, "input": self.input}
        more = {name: getattr(self, name) for name in _FURTHER}
        return plain | {name: value for name, value in more.items() if value not in ("", (), None)}

    @staticmethod
    def of(fields: Json) -> Message:
        """The message whose ``fields`` these are, as read from a file."""
        calls = tuple(ToolCall(**call) for call in fields.get("calls", ()))
        return Message(**{**fields, "calls": calls})


_FURTHER = ("reasoning", "calls", "call_id", "name", "weight", "tools")


def messages_id(messages: Sequence[Message]) -> str:
    """The id of a conversation: XXH3 (128 bits) over all that its turns say, as 32 hex digits.

    Each role and each content is framed as a netstring (``<bytes>:<UTF-8>,``), so no two conversations share
    their bytes, and a column of plain texts can be framed in bulk (``data.batch``). What else a turn says
    follows it, framed so under a name that no role has. Lone surrogates, which JSON can carry and UTF-8
    cannot, are hashed by their code point.
    """
    parts = []
    for part in _framed(messages):
        encoded = part.encode("utf-8", "surrogatepass")
        if len(encoded) > LARGE:
            return _large_id(xxh3_128(), messages)
        parts.append(b"%d:%b," % (len(encoded), encoded))
    return xxh3_128_hexdigest(b"".join(parts))


LARGE = 1 << 20
"""Bytes of a text beyond which it is not copied to be hashed."""


def _framed(messages: Sequence[Message]) -> Iterator[str]:
    """The texts that an id is made of: role and content of each turn, and the name and
    text of what else it says.
    """
    for message in messages:
        yield message.role
        yield message.content
        if (
            message.reasoning
            or message.calls
            or message.call_id
            or message.name
            or message.tools
            or message.weight not in (None, 1)
        ):
            yield from _further(message)


def _further(message: Message) -> Iterator[str]:
    if message.reasoning:
        yield from (".reasoning", message.reasoning)
    for call in message.calls:
        yield from (".call", json.dumps([call.name, call.arguments, call.id]))
    for name in ("call_id", "name", "tools"):
        if value := getattr(message, name):
            yield from (f".{name}", value)
    if message.weight is not None and message.weight != 1:  # 1 is what every turn has
        yield from (".weight", f"{message.weight:g}")


def _large_id(digest: xxh3_128, messages: Sequence[Message]) -> str:
    """``messages_id`` by pieces: slower for short texts, and without a copy of a long one."""
    for part in _framed(messages):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
        digest.update(b",")
    return str(digest.hexdigest())


def prompt_text(messages: Sequence[Message]) -> str:
    """Prompt turns as one text. A lone user turn is its content; several turns are labelled by their role."""
    if len(messages) == 1:
        return messages[0].text
    return "\n\n".join(f"{message.role}: {message.text}" for message in messages)
