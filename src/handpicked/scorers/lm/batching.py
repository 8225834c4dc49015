"""Forward passes in batches: sorted by length within windows of the pool, so that padding is a few percent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handpicked.models.load import device
from handpicked.scorers.lm.tokenized import Tokenized

WINDOW = 256
"""Rows among which passes are sorted by length: enough for 2% of padding, few enough that
what is done is no odd part.
"""
BATCH_TOKENS = {"cpu": 512, "mps": 4096, "cuda": 16384}
"""Tokens in a forward pass, padding included."""
EVEN = 0.9
"""A batch of some size ends where the next pass is shorter than this share of its longest."""


@dataclass(frozen=True)
class Todo:
    """A pass to be made: the place of its row, which pass, and its length in tokens."""

    place: int
    alone: bool
    length: int
    neighbour: int = 0


def plan(tokenized: Tokenized, alone: bool, neighbours: int, prefix: int) -> list[list[Todo]]:
    """The passes over all rows, in batches; values do not depend on them.

    ``alone``: also each response without its prompt; ``neighbours``: all that as many more times; ``prefix``:
    tokens that all rows begin with and that are computed once for all.
    """
    windows = _windows(tokenized, alone, neighbours, prefix)
    return [batch for window in windows for batch in batches(window, BATCH_TOKENS[device()])]


def _windows(tokenized: Tokenized, alone: bool, neighbours: int, prefix: int) -> Iterator[list[Todo]]:
    """The passes, window by window, without the ``prefix``."""
    places = (tokenized.reason == 0).nonzero()[0].tolist()
    lengths = tokenized.start[1:] - tokenized.start[:-1]
    for begin in range(0, len(places), WINDOW):
        window = []
        for place in places[begin : begin + WINDOW]:
            response = int(tokenized.tokens(place)[1].sum()) + 1
            for neighbour in range(neighbours + 1):
                window.append(Todo(place, False, int(lengths[place]) - prefix, neighbour))
                if alone:
                    window.append(Todo(place, True, response, neighbour))
        yield window


def batches(window: Sequence[Todo], budget: int) -> Iterator[list[Todo]]:
    """The passes of a window, those with their prompts before those without, each longest first, in batches
    of at most ``budget`` tokens with padding, or one pass.
    """
    batch: list[Todo] = []
    for todo in sorted(window, key=lambda one: (one.alone, -one.length, one.place, one.neighbour)):
        full = (len(batch) + 1) * (batch[0].length if batch else 0) > budget
        uneven = batch and todo.length < EVEN * batch[0].length and sum(t.length for t in batch) > budget // 4
        if batch and (full or uneven or todo.alone != batch[0].alone):
            yield batch
            batch = []
        batch.append(todo)
    if batch:
        yield batch


def sizes(plan: Sequence[Sequence[Todo]]) -> tuple[int, int]:
    """Tokens in all batches of a plan: of the passes alone, and with padding."""
    tokens = sum(todo.length for batch in plan for todo in batch)
    return tokens, sum(len(batch) * max(todo.length for todo in batch) for batch in plan)
