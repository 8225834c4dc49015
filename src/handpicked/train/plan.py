"""Plans a training from lengths and a seed: which rows, in which order, how many per step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from handpicked.config import TrainSettings
from handpicked.errors import TrainingError
from handpicked.train.rows import Places


@dataclass(frozen=True)
class TrainingPlan:
    """``order``: a row for every place in training, epochs one after the other;
    ``tokens``: of all places together.
    """

    order: tuple[int, ...] | Places
    tokens: int
    batch_size: int

    @property
    def steps(self) -> int:
        """Optimizer steps. The last may have fewer rows; its loss is a mean over its own tokens."""
        return -(-len(self.order) // self.batch_size)

    @property
    def rows(self) -> int:
        """Distinct rows used."""
        return len(np.unique(np.asarray(self.order)))


def plan(lengths: Sequence[int], settings: TrainSettings, seed: int) -> TrainingPlan:
    """Fill ``settings.budget_tokens``, or make ``settings.epochs`` passes, over rows
    of these lengths in tokens.

    Every pass is a new permutation. Under a budget, rows are taken until the next one would exceed it; passes
    are added while it is not filled. Within a step, rows are sorted by length, so that the rows of one
    forward pass need little padding: the gradient of the step is a mean over all its tokens and stays the
    same.

    Raises TrainingError when the budget does not hold a single row.
    """
    order: list[int] = []
    tokens = 0
    if settings.budget_tokens is None:
        places = max(1, round(settings.epochs * len(lengths)))
        for row, _ in zip(_passes(len(lengths), seed), range(places), strict=False):
            order.append(row)
            tokens += lengths[row]
    else:
        for row in _passes(len(lengths), seed):
            if tokens + lengths[row] > settings.budget_tokens:
                break
            order.append(row)
            tokens += lengths[row]
        if not order:
            first = lengths[next(_passes(len(lengths), seed))]
            raise TrainingError(
                f"train.budget_tokens = {settings.budget_tokens:,} does not hold even one row: the first that is "
                f"drawn has {first:,} tokens. Raise it, or lower train.max_length."
            )
    size = settings.batch_size
    steps = (
        sorted(order[at : at + size], key=lambda row: -lengths[row]) for at in range(0, len(order), size)
    )
    return TrainingPlan(tuple(row for step in steps for row in step), tokens, size)


def _passes(rows: int, seed: int) -> Iterator[int]:
    """All rows in random order, again and again."""
    random_order = random.Random(seed)
    while True:
        yield from random_order.sample(range(rows), rows)


def micro_batch(settings: TrainSettings, processes: int) -> tuple[int, int]:
    """Rows in a forward pass on one device, and forward passes to a step: the largest that
    give the batch size exactly.

    Raises TrainingError when the batch size cannot be shared evenly between the processes.
    """
    share, rest = divmod(settings.batch_size, processes)
    if rest or not share:
        raise TrainingError(
            f"train.batch_size = {settings.batch_size} cannot be shared by {processes} processes; "
            f"make it a multiple of {processes}, or give fewer devices."
        )
    rows = next(n for n in range(min(settings.micro_batch_size, share), 0, -1) if share % n == 0)
    return rows, share // rows
