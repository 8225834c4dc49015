"""Turns examples into token ids and labels, and counts what is learned and what is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpicked.errors import Refused, TrainingError
from handpicked.models.encode import cut, response_turns
from handpicked.models.head import IGNORED
from handpicked.models.template import THOUGHT_END, Template
from handpicked.records import Example
from handpicked.train.rows import Flags, RowWriter, TokenRows


@dataclass(frozen=True)
class EncodedRows:
    """The rows that can be trained on, and what happened to the others.

    ``cut`` [rows] says of each row whether it was longer than ``max_length``, ``end_readded`` [rows] whether
    the cut took the response's end-of-text token, which was put back; ``without_room`` rows have a prompt
    that leaves no room for a response and are left out. ``refused`` are the rows that the template refuses,
    each with the reason; they are left out too. ``unlearned`` counts turns of the pool's responses that are
    not learned, because the template shows them differently from inference; ``thoughts`` the rows whose
    response holds a thought.
    """

    rows: TokenRows
    cut: Flags
    end_readded: Flags
    without_room: int
    refused: tuple[tuple[int, str], ...] = ()
    thoughts: int = 0
    unlearned: int = 0

    @property
    def in_subset(self) -> int:
        """Rows, with those that are left out."""
        return len(self.rows) + self.without_room + len(self.refused)


def encode(
    examples: Iterable[Example],
    template: Template,
    max_length: int,
    folder: Path,
    step: Callable[[float], None] = lambda _: None,
) -> EncodedRows:
    """Every example in ``max_length`` tokens at most, labelled on its response and end-of-text tokens only,
    written into ``folder`` one by one.

    A row that is too long loses the end of its response, never the end-of-text token after it: a model that
    only saw cut responses without an end would not learn to stop, and a selection by length makes exactly
    those rows common. Raises TrainingError when no row is left.
    """
    writer = RowWriter(folder)
    truncated, readded = bytearray(), bytearray()
    read, without_room, thoughts, unlearned = 0, 0, 0, 0
    refused: list[tuple[int, str]] = []
    for read, example in enumerate(examples, start=1):  # noqa: B007 (their number, after it)
        step(1)
        try:
            whole = template.encode(example.messages, response_turns(example))
        except Refused as error:
            refused.append((example.row, error.reason))
            continue
        row = cut(whole, max_length, template.end_id)
        if row is None:
            without_room += 1
            continue
        writer.add(row)
        thoughts += THOUGHT_END in example.response
        unlearned += row.unlearned
        truncated.append(len(whole.ids) > max_length)
        readded.append(truncated[-1] and whole.labels[max_length - 1] != IGNORED)
    rows = writer.close()
    if not len(rows):
        raise TrainingError(_nothing(read, max_length, template, refused))
    was_cut, end_readded = (np.frombuffer(one, np.bool_) for one in (truncated, readded))
    return EncodedRows(rows, was_cut, end_readded, without_room, tuple(refused), thoughts, unlearned)


def _nothing(rows: int, max_length: int, template: Template, refused: Sequence[tuple[int, str]]) -> str:
    """The error where no row is left."""
    if not rows:
        return "There is no row to train on: the subset is empty."
    if refused:
        row, reason = refused[0]
        return (
            f"None of the {rows} rows can be trained on: the chat template '{template.name}' "
            f"refuses {len(refused)} of them "
            f"(row {row}: {reason}). Set train.template to chatml, alpaca, vicuna or plain."
        )
    return (
        f"None of the {rows} rows can be trained on: no prompt leaves room for a "
        "response within train.max_length = "
        f"{max_length} tokens. Raise it."
    )
