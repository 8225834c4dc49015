"""Tokens of an example: which turns are the response, and how a long row is cut, for training and scoring
alike.
"""

from __future__ import annotations

from handpicked.errors import TrainingError
from handpicked.models.head import IGNORED
from handpicked.models.template import Encoded
from handpicked.records import Example


def response_turns(example: Example) -> list[int]:
    """Positions of the messages that make up ``example.response``: the final assistant turn that
    is learned, or all of them.

    Raises TrainingError for an example without an assistant turn.
    """
    turns = [i for i, message in enumerate(example.messages) if message.learned]
    if not turns:
        raise TrainingError(
            f"Row {example.row} ({example.source}) has no assistant turn: there is nothing to learn in it."
        )
    return turns[-1:] if example.response == example.messages[turns[-1]].text else turns


def cut(row: Encoded, max_length: int, end_id: int) -> Encoded | None:
    """``row`` in ``max_length`` tokens, its last learned token the end of a response. None
    when that leaves no response.
    """
    if len(row.ids) <= max_length:
        return row
    ids, labels = row.ids[:max_length], row.labels[:max_length]
    if labels[-1] != IGNORED:
        ids[-1] = labels[-1] = end_id
    while labels and labels[-1] == IGNORED:  # the cut fell into a later prompt, from which nothing is learned
        ids.pop()
        labels.pop()
    shortened = Encoded(ids, labels, row.unlearned)
    return shortened if shortened.learned >= 2 else None
