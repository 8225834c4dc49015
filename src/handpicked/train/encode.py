"""Examples into token ids and labels: what is learned, what is cut, and the count of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from handpicked.errors import TrainingError
from handpicked.models.encode import cut, response_turns
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded, Template
from handpicked.records import Example


@dataclass(frozen=True)
class EncodedRows:
    """The rows that can be trained on, and what happened to the others.

    ``cut`` says of each row whether it was longer than ``max_length``, ``end_readded`` whether the cut took the response's
    end-of-text token, which was put back; ``without_room`` rows have a prompt that leaves no room for a response and are
    left out.
    """

    rows: tuple[Encoded, ...]
    cut: tuple[bool, ...]
    end_readded: tuple[bool, ...]
    without_room: int

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row.ids) for row in self.rows]


def encode(
    examples: Sequence[Example],
    template: Template,
    max_length: int,
    step: Callable[[float], None] = lambda _: None,
) -> EncodedRows:
    """Every example in ``max_length`` tokens at most, labelled on its response and end-of-text tokens only.

    A row that is too long loses the end of its response, never the end-of-text token after it: a model that only
    saw cut responses without an end would not learn to stop, and a selection by length makes exactly those rows common.
    Raises TrainingError when no row is left.
    """
    rows, truncated, readded, without_room = [], [], [], 0
    for example in examples:
        whole = template.encode(example.messages, response_turns(example))
        row = cut(whole, max_length, template.end_id)
        step(1)
        if row is None:
            without_room += 1
            continue
        rows.append(row)
        truncated.append(len(whole.ids) > max_length)
        readded.append(truncated[-1] and whole.labels[max_length - 1] != IGNORED)
    if not rows:
        raise TrainingError(
            f"None of the {len(examples)} rows can be trained on: no prompt leaves room for a response within "
            f"train.max_length = {max_length} tokens. Raise it."
            if examples
            else "There is no row to train on: the subset is empty."
        )
    return EncodedRows(tuple(rows), tuple(truncated), tuple(readded), without_room)
