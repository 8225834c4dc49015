"""How many rows the subsets of one pool have in common."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from handpicked.statistics.verb_noun import proportion


def overlaps(subsets: Mapping[str, np.ndarray[Any, Any]], pool: int) -> list[dict[str, Any]]:
    """Every two of ``subsets`` (name to ascending row numbers), out of a pool of ``pool`` rows.

    ``both`` counts the rows they share; ``jaccard`` is that over the rows of either (Jaccard, 1912), ``None`` where both are
    empty; ``overlap`` is the overlap at N: the share of the smaller subset (of N rows) that is in the larger (Szymkiewicz
    and Simpson). ``by_chance`` is the overlap at N of two random subsets of these sizes: the larger size over the pool's.
    """
    found = []
    for (a, rows_a), (b, rows_b) in itertools.combinations(subsets.items(), 2):
        both = len(np.intersect1d(rows_a, rows_b, assume_unique=True))
        smaller, larger = sorted((len(rows_a), len(rows_b)))
        either = smaller + larger - both
        found.append(
            {
                "a": a,
                "b": b,
                "both": both,
                "n": smaller,
                "jaccard": both / either if either else None,
                "overlap": both / smaller if smaller else None,
                "by_chance": larger / pool if pool else None,
            }
        )
    return found


def shares(values: Mapping[str, list[str | None]], most: int = 12) -> list[dict[str, Any]]:
    """How often each value (a type, a source) occurs in each set: the ``most`` common values of the first set, then the rest.

    Rows without a value are counted among those that the shares are of.
    """
    counts = {
        name: Counter(value for value in listed if value is not None) for name, listed in values.items()
    }
    first = next(iter(counts.values()), Counter())
    shown = sorted(first, key=lambda value: (-first[value], value))[:most]
    return [
        {
            "value": value,
            "shares": {
                name: asdict(proportion(counts[name][value], len(listed))) for name, listed in values.items()
            },
        }
        for value in shown
    ]
