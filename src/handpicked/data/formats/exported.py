"""Conversations as ChatGPT exports them (``conversations.json``): messages by id in a tree of edits and retries.

The branch that was shown last is read, which ``current_node`` ends; without it, the branch of the newest children.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats.blocks import text_of_blocks
from handpicked.data.formats.cells import BLANK, BadRow, Row, absent, kind_name, literal
from handpicked.data.formats.row_format import RowFormat
from handpicked.data.formats.turns import read_turn
from handpicked.records import Message, ToolCall

UNSAID = ("model_editable_context", "user_editable_context", "reasoning_recap")
"""Kinds of content that are no turn of the conversation."""


@dataclass(frozen=True)
class Exported(RowFormat):
    """A conversation of ChatGPT's export: ``mapping`` holds its messages by id, with parent and children."""

    mapping: str
    last: str | None

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.mapping, *((self.last,) if self.last else ()), *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.mapping,)

    def messages(self, row: Row) -> list[Message]:
        nodes = _nodes(row.get(self.mapping))
        if not isinstance(nodes, Mapping):
            raise BadRow(
                absent(self.mapping, row) if nodes is None else f"'{self.mapping}' is {kind_name(nodes)}"
            )
        turns: list[Message] = []
        thoughts = ""
        for place, message in enumerate(_branch(nodes, row.get(self.last or ""))):
            for turn in _turns(message, place):
                if turn.role == "assistant" and not turn.text.strip(BLANK) and not turn.reasoning:
                    continue
                if turn.reasoning and not turn.content:
                    thoughts = "\n".join(filter(None, (thoughts, turn.reasoning)))
                elif thoughts and turn.role == "assistant":
                    turns.append(Message(turn.role, turn.content, reasoning=thoughts, calls=turn.calls))
                    thoughts = ""
                else:
                    turns.append(turn)
        if not turns:
            raise BadRow("the conversation has no turn")
        return self.beside.around(turns, row)


def exported(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of ChatGPT's export."""
    for row in rows[:1] if "mapping" in fields else ():
        nodes = _nodes(row["mapping"])
        if isinstance(nodes, Mapping) and any(
            isinstance(one, Mapping) and "parent" in one for one in nodes.values()
        ):
            last = "current_node" if "current_node" in fields else None
            why = "'mapping' is a conversation of ChatGPT's export; of its edits and retries the branch shown last is read"
            return Exported("chatgpt export", "mapping", last), why
    return None


def _nodes(value: object) -> object:
    """The messages by id, also where a file has them as text."""
    return literal(value) if isinstance(value, str) else value


def _branch(nodes: Mapping[str, object], last: object) -> list[Mapping[str, object]]:
    """The messages from the first to the last one of the branch."""
    name = last if isinstance(last, str) and last in nodes else _newest(nodes)
    found: list[Mapping[str, object]] = []
    seen: set[object] = set()
    while isinstance(name, str) and name not in seen and isinstance(node := nodes.get(name), Mapping):
        seen.add(name)
        if isinstance(message := node.get("message"), Mapping):
            found.append(message)
        name = node.get("parent")
    return found[::-1]


def _newest(nodes: Mapping[str, object]) -> object:
    """The end of the branch that always takes the last child."""
    name: object = next(
        (name for name, node in nodes.items() if isinstance(node, Mapping) and not node.get("parent")), None
    )
    seen: set[object] = set()
    while isinstance(name, str) and name not in seen and isinstance(node := nodes.get(name), Mapping):
        seen.add(name)
        children = node.get("children")
        if not isinstance(children, list) or not children:
            break
        name = children[-1]
    return name


def _turns(message: Mapping[str, object], place: int) -> list[Message]:
    """A message of the export as turns; none for one that was hidden or says nothing."""
    author, content, about = message.get("author"), message.get("content"), message.get("metadata")
    if not isinstance(author, Mapping) or not isinstance(content, Mapping):
        return []
    kind, where = content.get("content_type"), f"message {place + 1} of the conversation"
    hidden = isinstance(about, Mapping) and about.get("is_visually_hidden_from_conversation")
    if hidden or kind in UNSAID:
        return []
    if kind == "thoughts":
        listed = content.get("thoughts")
        said = (
            [str(one.get("content") or "") for one in listed or () if isinstance(one, Mapping)]
            if isinstance(listed, list)
            else []
        )
        return [Message("assistant", "", reasoning="\n".join(filter(None, said)))]
    parts = content.get("parts")
    text = (
        text_of_blocks(parts, where)
        if parts is not None
        else str(content.get("text") or content.get("result") or "")
    )
    recipient = message.get("recipient")
    if author.get("role") == "assistant" and isinstance(recipient, str) and recipient not in ("all", ""):
        return [Message("assistant", "", calls=(ToolCall(recipient, text, "", True),))]
    said_by = author.get("name")
    turn = {"role": author.get("role"), "content": text} | (
        {"name": said_by} if isinstance(said_by, str) else {}
    )
    if author.get("role") == "system" and not text.strip(BLANK):
        return []
    return read_turn(turn, "mapping", place)
