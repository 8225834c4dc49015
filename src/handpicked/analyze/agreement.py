"""How well two raters agree: judge and people, two judges, two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from handpicked.analyze import bootstrap, estimates
from handpicked.records import Estimate, Outcome

if TYPE_CHECKING:
    import numpy as np

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


def agree(one: Mapping[str, Outcome], other: Mapping[str, Outcome], *, seed: int = 0) -> Agreement:
    """Agreement and Cohen's (1960) kappa over the items (keys) that both labelled, with bootstrap intervals.

    An item that either lacks or could not parse is missing. Kappa has no value where both use one and the
    same label throughout: then chance explains everything.
    """
    import numpy as np

    items = list(dict.fromkeys((*one, *other)))
    cells = [
        LABELS.index(one[i]) * len(LABELS) + LABELS.index(other[i])
        for i in items
        if one.get(i) in LABELS and other.get(i) in LABELS
    ]
    missing = len(items) - len(cells)
    size = len(LABELS)
    onehot = np.eye(size * size)[cells] if cells else np.zeros((0, size * size))
    table = onehot.sum(axis=0).reshape(size, size).astype(int)
    same = estimates.share(range(len(cells)), [float(c % (size + 1) == 0) for c in cells], missing=missing)
    kappa = bootstrap.estimate(onehot, _kappa, len(cells), missing, seed=seed)
    return Agreement(same, kappa, tuple(tuple(int(n) for n in row) for row in table))


def _kappa(sums: np.ndarray) -> np.ndarray:
    """(observed - expected) / (1 - expected) of tables [m, labels^2]; NaN where chance alone agrees
    always.
    """
    import numpy as np

    table = sums.reshape(len(sums), len(LABELS), len(LABELS))
    n = table.sum(axis=(1, 2))
    observed = np.trace(table, axis1=1, axis2=2) / n
    expected = (table.sum(axis=1) * table.sum(axis=2)).sum(axis=1) / n**2
    return np.where(expected < 1, (observed - expected) / np.where(expected < 1, 1 - expected, 1), np.nan)


def among(raters: Sequence[Mapping[str, Outcome]], *, seed: int = 0) -> list[tuple[int, int, Agreement]]:
    """Agreement of every two raters, by their positions in the list."""
    return [(i, j, agree(raters[i], raters[j], seed=seed)) for i, j in combinations(range(len(raters)), 2)]
