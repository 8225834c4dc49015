"""Trees of replies (Open Assistant's ``trees.jsonl``): of each reply's siblings the best-ranked one is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from handpicked.data.formats.cells import BadRow, Row, absent, kind_name, literal, number
from handpicked.data.formats.row_format import RowFormat
from handpicked.data.formats.several import undecided
from handpicked.data.formats.turns import is_turn, read_turn, role_of, speaker
from handpicked.records import Message


@dataclass(frozen=True)
class Tree(RowFormat):
    """A message with its ``replies``, which have replies in turn. ``root`` is the field of the first one."""

    root: str

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.root, *self.beside.fields)

    @property
    def required(self) -> tuple[str, ...]:
        return (self.root,)

    def messages(self, row: Row) -> list[Message]:
        """The branch of the best-ranked replies, as far as the ranks tell. Raises BadRow where they do not tell
        the first answer.
        """
        node = _node(row.get(self.root))
        if not isinstance(node, Mapping):
            said = row.get(self.root)
            raise BadRow(absent(self.root, row) if said is None else f"'{self.root}' is {kind_name(said)}")
        turns = [turn for place, one in enumerate(_branch(node)) for turn in read_turn(one, self.root, place)]
        if all(turn.role != "assistant" for turn in turns) and len(_replies(node)) > 1:
            raise undecided(f"{self.root}.replies", len(_replies(node)))
        return self.beside.around(turns, row)


def tree(rows: Sequence[Row], fields: Sequence[str]) -> tuple[RowFormat, str] | None:
    """The format of trees of replies."""
    for row in rows[:1]:
        for field in fields:
            node = _node(row.get(field))
            if is_turn(node) and isinstance(node, Mapping) and isinstance(node.get("replies"), list):
                why = f"'{field}' is a message with its replies; of several the one with the lowest rank is read"
                return Tree("tree of replies", field), why
    return None


def _node(value: object) -> object:
    return literal(value) if isinstance(value, str) else value


def _branch(node: Row) -> Iterator[Row]:
    """A message and the best of its replies, of that one's replies, and so on."""
    found: Row | None = node
    while found is not None:
        yield found
        found = _best(_replies(found))


def _best(replies: Sequence[Row]) -> Row | None:
    """The reply with the lowest rank, the only one, or of questions the first; ``None`` where that is not known."""
    ranked = [
        (rank, place) for place, one in enumerate(replies) if (rank := number(one.get("rank"))) is not None
    ]
    if ranked:
        return replies[min(ranked)[1]]
    questions = all(role_of(speaker(one)) == "user" for one in replies)
    return replies[0] if replies and (questions or len(replies) == 1) else None


def _replies(node: Row) -> list[Row]:
    """The replies that were not deleted."""
    listed = node.get("replies")
    found = listed if isinstance(listed, list) else []
    return [one for one in found if isinstance(one, Mapping) and one.get("deleted") is not True]
