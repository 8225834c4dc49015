"""Agreement between two raters: a judge and people, two judges, two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate, Outcome
from handpicked.statistics import estimates
from handpicked.statistics.crossed import crossed

LABELS: tuple[Outcome, ...] = ("win", "tie", "lose")


@dataclass(frozen=True, slots=True)
class Agreement:
    """``agreement``: share of items with the same label, 0 to 1. ``kappa``: Cohen's, 1 is perfect, 0 is
    chance.

    ``table`` counts [label of the one][label of the other] over win, tie, lose.
    """

    agreement: Estimate
    kappa: Estimate
    table: tuple[tuple[int, ...], ...]


def agree(one: Mapping[str, Outcome], other: Mapping[str, Outcome]) -> Agreement:
    """Agreement and Cohen's (1960) kappa over the items (keys) that both labelled, with intervals.

    An item that either lacks or could not parse is missing. Kappa has no value where both use one and the
    same label throughout: then chance explains everything.
    """
    items = list(dict.fromkeys((*one, *other)))
    cells = [
        LABELS.index(one[i]) * len(LABELS) + LABELS.index(other[i])
        for i in items
        if one.get(i) in LABELS and other.get(i) in LABELS
    ]
    missing = len(items) - len(cells)
    size = len(LABELS)
    table = np.bincount(cells, minlength=size * size).reshape(size, size).astype(np.int64)
    same = estimates.share(range(len(cells)), [float(c % (size + 1) == 0) for c in cells], missing=missing)
    kappa = _kappa(cells, table, missing)
    return Agreement(same, kappa, tuple(tuple(int(n) for n in row) for row in table))


def _kappa(cells: Sequence[int], table: npt.NDArray[np.int64], missing: int) -> Estimate:
    """Cohen's kappa: (observed - expected) / (1 - expected). ``cells`` are the places of the items
    in ``table``, row by row.

    The interval is by the influence of each item on kappa (the variance of Fleiss, Cohen and Everitt, 1969)
    and, as kappa lies from -1 to 1, Wilson's of the share (1 + kappa) / 2, which covers also where nearly all
    agree.
    """
    n = len(cells)
    if n == 0:
        return Estimate(None, None, None, 0, missing, "nothing to count")
    rows, columns = table.sum(axis=1) / n, table.sum(axis=0) / n
    observed, expected = float(np.trace(table)) / n, float(rows @ columns)
    if expected >= 1:
        return Estimate(None, None, None, n, missing, "no value on these data")
    value = (observed - expected) / (1 - expected)
    row, column = np.divmod(np.asarray(cells), len(LABELS))
    by_chance = columns[row] + rows[column] - 2 * expected
    parts = ((row == column) - observed - (1 - value) * by_chance) / (1 - expected) / n
    low, high, method = estimates.share_interval((1 + value) / 2, crossed(parts / 2, range(n)))
    return Estimate(value, 2 * low - 1, 2 * high - 1, n, missing, method.replace("prompts", "items"))


def among(raters: Sequence[Mapping[str, Outcome]]) -> list[tuple[int, int, Agreement]]:
    """Agreement of every two raters, by their positions in the list."""
    return [(i, j, agree(raters[i], raters[j])) for i, j in combinations(range(len(raters)), 2)]
