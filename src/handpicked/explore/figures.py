"""What the charts show: histograms, points of two scores, and how the subsets of arms overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handpicked.explore.columns import Category, Column, Number, number

BINS = 40
POINTS = 5000
"""Points that a scatter plot shows at most; of more rows a seeded sample is drawn."""
TAIL = 99.0
"""The percentile above which values share the last bin, if they would squeeze all others together."""
COMBINATIONS = 40
EXACT = 2.0**52
"""Below it, a number and the next whole one differ."""


@dataclass(frozen=True)
class Histogram:
    """``edges`` [bins + 1] with the rows of the whole table and the found ones in each bin, the last edge
    included. ``missing`` counts found rows without a finite value; ``low`` and ``high`` are of the table, the
    ``median`` of the found rows.
    """

    edges: Sequence[float]
    all: Sequence[int]
    found: Sequence[int]
    missing: int
    low: float | None
    high: float | None
    median: float | None


def histogram(column: Number, found: np.ndarray | None) -> Histogram:
    """Of a column; ``found`` (boolean) marks the found rows, ``None`` all."""
    values = column.values
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known):
        rows = len(values) if found is None else int(found.sum())
        return Histogram([], [], [], rows, None, None, None)
    edges = _edges(known, column.whole)
    all_, _ = np.histogram(known, edges)
    mine = known if found is None else values[finite & found]
    some, _ = np.histogram(mine, edges) if found is not None else (all_, None)
    missing = (len(values) if found is None else int(found.sum())) - len(mine)
    middle = float(np.median(mine)) if len(mine) else None
    ends = float(known.min()), float(known.max())
    return Histogram(edges.tolist(), all_.tolist(), some.tolist(), missing, *ends, middle)


def _edges(known: np.ndarray, whole: bool) -> np.ndarray:
    """Bins of equal width; the last reaches to the largest value where few are far above the others."""
    low, high = float(known.min()), float(known.max())
    if low == high:
        return np.array([low, low + max(1.0, abs(low) * 1e-6)])
    tail = float(np.percentile(known, TAIL))
    cut = tail if low < tail and (high - low) > 2 * (tail - low) else high
    if whole and max(-low, high) < EXACT:
        step = np.ceil((cut - low + 1) / BINS)
        edges = np.arange(low, cut + step + 0.5, step)
    else:
        edges = np.unique(2 * np.linspace(low / 2, cut / 2, BINS + 1))
    edges[-1] = max(high, edges[-1])
    return edges


@dataclass(frozen=True)
class Points:
    """Rows as points. ``colour`` holds codes of ``texts`` (-1: none) or numbers (None: none).

    ``total`` counts the rows with both values, of which these are all or a sample.
    """

    rows: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]
    colour: Sequence[object]
    texts: Sequence[str]
    total: int


def points(x: Number, y: Number, colour: Column | None, found: np.ndarray | None) -> Points:
    """The found rows by two columns. The sample depends on nothing but the rows found."""
    both = np.isfinite(x.values) & np.isfinite(y.values)
    rows = np.flatnonzero(both if found is None else both & found)
    total = len(rows)
    if total > POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, POINTS, replace=False))
    texts: Sequence[str] = ()
    shown: list[object] = []
    if isinstance(colour, Category):
        texts, shown = colour.texts, colour.codes[rows].tolist()
    elif colour is not None:
        shown = [one if isinstance(one, float) else None for one in colour.shown(rows)]
    return Points(rows.tolist(), x.values[rows].tolist(), y.values[rows].tolist(), shown, list(texts), total)


@dataclass(frozen=True)
class Overlap:
    """How the subsets of arms overlap: of each arm its rows, and of each combination of arms (true: in it)
    the rows that are in exactly these. ``none`` counts rows in no arm, ``others`` those of combinations
    beyond the most frequent.
    """

    arms: Sequence[str]
    sizes: Sequence[int]
    combinations: Sequence[tuple[Sequence[bool], int]]
    none: int
    others: int


def overlap(kept: Mapping[str, np.ndarray], found: np.ndarray | None) -> Overlap:
    """``kept`` says of each arm which rows are in its subset (boolean)."""
    arms = list(kept)
    marks = np.stack([kept[arm] for arm in arms], axis=1)
    if found is not None:
        marks = marks[found]
    packed = np.packbits(marks, axis=1)
    different, first, counts = np.unique(packed, axis=0, return_index=True, return_counts=True)
    del different
    order = sorted(range(len(first)), key=lambda place: (-counts[place], first[place]))
    counted = [(marks[first[place]].tolist(), int(counts[place])) for place in order]
    none = next((count for combination, count in counted if not any(combination)), 0)
    some = [(combination, count) for combination, count in counted if any(combination)]
    others = sum(count for _, count in some[COMBINATIONS:])
    return Overlap(arms, marks.sum(axis=0).tolist(), some[:COMBINATIONS], none, others)


def value_counts(column: Category, found: np.ndarray | None, most: int = 200) -> list[tuple[str, int, int]]:
    """The most frequent values with their rows in the whole table and among the found ones."""
    all_, some = column.counts(), column.counts(found)
    counted = [(text, all_[code], some[code]) for code, text in enumerate(column.texts)]
    return sorted((one for one in counted if one[1]), key=lambda one: (-one[1], one[0]))[:most]


def spread(column: Number) -> dict[str, object]:
    """Smallest, middle and largest value of a column, and how many rows have none."""
    known = column.values[~np.isnan(column.values)]
    if not len(known):
        return {"low": None, "high": None, "missing": len(column.values)}
    return {
        "low": number(float(known.min())),
        "high": number(float(known.max())),
        "missing": len(column.values) - len(known),
    }
