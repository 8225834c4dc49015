"""Rows as tokens."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from handpicked.errors import TrainingError
from handpicked.models.encode import response_turns
from handpicked.models.head import IGNORED
from handpicked.models.template import Template
from handpicked.records import Example

REASONS = (
    "",
    "the response is empty",
    "the prompt leaves no room for the response within max_length",
    "the chat template refuses or changes this conversation",
)


@dataclass(frozen=True)
class Tokenized:
    """The encoded rows, ascending. Row ``i`` has the tokens ``ids[start[i]:start[i+1]]``;
    ``scored`` marks its response's.

    ``cut`` counts response tokens beyond the limit, ``reason`` is a place in
    ``REASONS`` (0: it can be scored).
    """

    rows: np.ndarray
    start: np.ndarray
    cut: np.ndarray
    reason: np.ndarray
    ids: np.ndarray
    scored: np.ndarray

    def tokens(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of the row at ``place`` and which of them are its response's (boolean)."""
        span = slice(int(self.start[place]), int(self.start[place + 1]))
        return self.ids[span], self.scored[span]

    def response_alone(self, place: int, beginning: int) -> tuple[np.ndarray, np.ndarray]:
        """Those of the scored tokens of the row at ``place`` alone, after the token ``beginning``."""
        tokens, scored = self.tokens(place)
        alone = np.concatenate([[beginning], tokens[scored]])
        return alone, np.arange(len(alone)) > 0

    def common_prefix(self) -> np.ndarray:
        """The token ids that all rows begin with, such as a system prompt; each row keeps an
        unscored token after them.
        """
        common: np.ndarray | None = None
        for place in (self.reason == 0).nonzero()[0].tolist():
            ids, scored = self.tokens(place)
            before = ids[: max(int(scored.argmax()) - 1, 0)]
            common = before if common is None else common[: len(before)]
            differ = np.flatnonzero(common != before[: len(common)])
            common = common[: differ[0]] if len(differ) else common
        return np.empty(0, np.int32) if common is None else np.array(common)


def tokenize(examples: Iterable[Example], template: Template, limit: int) -> Tokenized:
    """The rows as ``template`` writes them, of at most ``limit`` tokens each.

    The response is cut at its end. A row's tokens end with its response: the end-of-text token is not part of
    it.
    """
    index: list[tuple[int, int, int, int]] = []
    ids, scored = array("i"), bytearray()
    for example in examples:
        its_ids, its_scored, cut, reason = _encoded(example, template, limit)
        ids.extend(its_ids)
        scored.extend(its_scored)
        index.append((example.row, len(its_ids), cut, reason))
    columns = np.asarray(index, np.int64).reshape(-1, 4).T
    start = np.concatenate([[0], np.cumsum(columns[1])])
    return Tokenized(
        columns[0], start, columns[2], columns[3], np.array(ids, np.int32), np.frombuffer(scored, np.bool_)
    )


def _encoded(example: Example, template: Template, limit: int) -> tuple[list[int], list[bool], int, int]:
    """Token ids, which are scored, response tokens cut off, and the reason (of
    ``REASONS``) why there is none.
    """
    if not example.response.strip():
        return [], [], 0, 1
    try:
        encoded = template.encode(example.messages, response_turns(example))
    except TrainingError:
        return [], [], 0, 3
    scored = [label != IGNORED for label in encoded.labels]
    for place in _ends(scored):  # the end-of-text token that the template sets after a response
        scored[place] = False
    wanted = sum(scored)
    scored = scored[:limit]
    last = max(itertools.compress(range(len(scored)), scored), default=-1)
    kept = sum(scored)
    if not kept:
        return [], [], wanted, 2 if wanted else 1
    return encoded.ids[: last + 1], scored[: last + 1], wanted - kept, 0


def _ends(scored: Sequence[bool]) -> Iterator[int]:
    """The last place of every run of true."""
    yield from (
        i for i, (here, after) in enumerate(itertools.pairwise([*scored, False])) if here and not after
    )
