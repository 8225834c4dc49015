"""Round robin: targets choose in turn, each its most similar row.

Source: Ivison et al., 2025, Large-Scale Data Selection for Instruction Tuning, arXiv 2503.01807 (RDS+). In
round r every target, one after the other, names the row that is its r-th most similar; a row that was named
before is not taken again. So a row's place is decided by the first round in which any target names it, then
by that target's place: no loop over rounds is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DECIMALS = 6
"""Digits of a similarity that count; differences below are rounding of the model's arithmetic, and ties."""


@dataclass(frozen=True)
class Ranked:
    """For each row (of n) its similarity to the nearest target (float64) and its place, 1 the
    first to be taken (int64).
    """

    similarity: np.ndarray
    rank: np.ndarray


def round_robin(similarities: Iterable[np.ndarray], targets: int, rows: int) -> Ranked:
    """Rows as chosen by targets. ``similarities`` gives each of the ``targets`` targets' cosines to all
    ``rows`` rows, [rows].

    Rows must come in the order in which equals are taken (ascending id). Time is a sort of the rows for each
    target; memory a few numbers a row.
    """
    best = np.full(rows, -np.inf)
    first = np.full(rows, np.iinfo(np.int64).max)
    rounds = np.empty(rows, np.int64)
    for place, cosines in enumerate(similarities):
        similar = np.round(cosines.astype(np.float64), DECIMALS)
        rounds[np.argsort(-similar, kind="stable")] = np.arange(rows)
        np.minimum(first, rounds * targets + place, out=first)
        np.maximum(best, similar, out=best)
    rank = np.empty(rows, np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(1, rows + 1)
    return Ranked(best, rank)
