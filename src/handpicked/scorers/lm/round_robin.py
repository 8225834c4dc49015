"""Round robin: targets choose in turn, each its most similar row.

Source: Ivison et al., 2025, Large-Scale Data Selection for Instruction Tuning, arXiv 2503.01807 (RDS+). In
round r every target, one after the other, names the row that is its r-th most similar; a row that was named
before is not taken again. So a row's place is decided by the first round in which any target names it, then
by that target's place: no loop over rounds is needed.
"""

from __future__ import annotations

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


def round_robin(vectors: np.ndarray, targets: np.ndarray) -> Ranked:
    """Rows with unit vectors float32 [n, d] as chosen by targets with unit vectors float32 [t, d].

    Rows must come in the order in which equals are taken (ascending id). Time is t sorts of n numbers; memory
    a few columns of n numbers beside the vectors.
    """
    count = len(targets)
    best = np.full(len(vectors), -np.inf)
    first = np.full(len(vectors), np.iinfo(np.int64).max)
    rounds = np.empty(len(vectors), np.int64)
    for place, target in enumerate(targets):
        similar = np.round((vectors @ target).astype(np.float64), DECIMALS)
        rounds[np.argsort(-similar, kind="stable")] = np.arange(len(vectors))
        np.minimum(first, rounds * count + place, out=first)
        np.maximum(best, similar, out=best)
    rank = np.empty(len(vectors), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(1, len(vectors) + 1)
    return Ranked(best, rank)
