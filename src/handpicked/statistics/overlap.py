"""How many rows the subsets of one pool have in common."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate
from handpicked.statistics.verb_noun import proportion


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far two subsets ``a`` and ``b`` of one pool hold the same rows.

    ``both`` counts the rows they share; ``jaccard`` is that over the rows of either (Jaccard, 1912), ``None``
    where both are empty; ``overlap`` is the overlap at N: the share of the smaller subset (of ``n`` rows)
    that is in the larger (Szymkiewicz and Simpson). ``by_chance`` is the overlap at N of two random subsets
    of these sizes: the larger size over the pool's.
    """

    a: str
    b: str
    both: int
    n: int
    jaccard: float | None
    overlap: float | None
    by_chance: float | None


@dataclass(frozen=True, slots=True)
class ValueShares:
    """How often one value (a type, a source) occurs in each set, as a share of its rows."""

    value: str
    shares: Mapping[str, Estimate]


def overlaps(subsets: Mapping[str, npt.NDArray[np.int64]], pool: int) -> list[Overlap]:
    """Every two of ``subsets`` (name to ascending row numbers), out of a pool of ``pool`` rows."""
    found = []
    for (a, rows_a), (b, rows_b) in itertools.combinations(subsets.items(), 2):
        both = len(np.intersect1d(rows_a, rows_b, assume_unique=True))
        smaller, larger = sorted((len(rows_a), len(rows_b)))
        either = smaller + larger - both
        found.append(
            Overlap(
                a,
                b,
                both,
                smaller,
                jaccard=both / either if either else None,
                overlap=both / smaller if smaller else None,
                by_chance=larger / pool if pool else None,
            )
        )
    return found


def shares(values: Mapping[str, list[str | None]], most: int = 12) -> list[ValueShares]:
    """How often each value (a type, a source) occurs in each set: the ``most`` common values of the
    first set, then the rest.

    Rows without a value are counted among those that the shares are of.
    """
    counts = {
        name: Counter(value for value in listed if value is not None) for name, listed in values.items()
    }
    first = next(iter(counts.values()), Counter())
    shown = sorted(first, key=lambda value: (-first[value], value))[:most]
    return [
        ValueShares(
            value, {name: proportion(counts[name][value], len(listed)) for name, listed in values.items()}
        )
        for value in shown
    ]
