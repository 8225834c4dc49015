"""Losses by row from the forward passes over rows, or the reason for a missing one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handpicked.scorers.lm.tokenized import REASONS, Tokenized

LARGEST = 709.0
"""Nats, the exponent of which is still a number: e^710 is none."""
TOO_LARGE = f"the model's loss is over {LARGEST:.0f} nats a token, too large for a perplexity"


@dataclass(frozen=True)
class Pass:
    """One forward pass over one row, done: the mean loss of its response tokens in nats,
    ``None`` when it is not finite.

    ``alone``: without its prompt. ``neighbour``: 0 for the row itself, else the number of a noisy copy.
    ``losses`` are those of the single tokens (float32), kept where requested.
    """

    row: int
    alone: bool
    mean: float | None
    losses: np.ndarray | None = None
    neighbour: int = 0

    @property
    def key(self) -> tuple[int, bool, int]:
        """What identifies the pass: row, alone, neighbour."""
        return self.row, self.alone, self.neighbour


@dataclass(frozen=True)
class Row:
    """A row's losses. ``given`` its prompt and ``alone``: means in nats a token over
    ``tokens`` response tokens.

    ``reason`` says why there is none. ``cut`` counts the response tokens beyond ``max_length``.
    ``each_given`` and ``each_alone`` are the tokens' own losses, where they were requested.
    """

    row: int
    tokens: int
    cut: int
    reason: str | None = None
    given: float | None = None
    alone: float | None = None
    each_given: np.ndarray | None = None
    each_alone: np.ndarray | None = None


@dataclass(frozen=True)
class Losses:
    """What the passes gave, row by row, and facts to be added up."""

    tokenized: Tokenized
    done: dict[tuple[int, bool, int], Pass]
    alone: bool
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, neighbour: int = 0) -> Iterator[Row]:
        """Every row, ascending, or its neighbour of that number."""
        for place, row in enumerate(self.tokenized.rows.tolist()):
            cut = int(self.tokenized.cut[place])
            if self.tokenized.reason[place]:
                yield Row(row, 0, cut, REASONS[self.tokenized.reason[place]])
                continue
            tokens = int(self.tokenized.tokens(place)[1].sum())
            kinds = (False, True) if self.alone else (False,)
            passed = [self.done[row, kind, neighbour] for kind in kinds]
            if any(one.mean is None for one in passed):
                yield Row(row, tokens, cut, "the model's loss is not a finite number")
                continue
            each = [one.losses for one in passed]
            means = [one.mean for one in passed]
            if any(mean > LARGEST for mean in means if mean is not None):
                yield Row(row, tokens, cut, TOO_LARGE)
                continue
            if not self.alone:
                means.append(None)
                each.append(None)
            yield Row(row, tokens, cut, None, means[0], means[1], each[0], each[1])
