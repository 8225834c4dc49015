"""How a selection looks in a notebook: counts, the lengths of kept rows beside the pool's, the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from handpicked.selection.lengths import lengths
from handpicked.selection.methods import measures
from handpicked.statistics.histogram import EDGES

if TYPE_CHECKING:
    from jinja2 import Template

    from handpicked.selection.result import Selection

FIRST = 5
"""Rows that are shown."""
LETTERS = 300
"""Letters of a text that are shown."""
MOST = 1_000_000
"""Rows of a pool up to which its lengths are measured, in characters, where the selection did not."""
WIDTH, HEIGHT = 560, 120
"""Of the histogram, pixels."""


@dataclass(frozen=True)
class Bar:
    """One bin of the histogram: its place, and the heights of both sets, in pixels."""

    x: float
    width: float
    pool: float
    kept: float
    title: str


@dataclass(frozen=True)
class Lengths:
    """Response lengths of pool and subset: bars of the same bins, and their medians in ``unit``."""

    unit: str
    bars: Sequence[Bar]
    ends: tuple[str, str]
    pool: str
    kept: str


def shown(selection: Selection) -> str:
    """The selection as HTML that holds no script; every text of the data is escaped."""
    counts = [(part.reason, part.rows) for part in selection.summary.dropped]
    return _template().render(
        said=repr(selection)[1:-1],
        reasons=sorted(counts, key=lambda one: -one[1]),
        rejections=[(part.reason, part.rows) for part in selection.summary.rejections],
        lengths=_lengths(selection),
        width=WIDTH,
        height=HEIGHT,
        rows=[(one.row, _short(one.prompt), _short(one.response)) for one in islice(iter(selection), FIRST)],
    )


def _lengths(selection: Selection) -> Lengths | None:
    """The lengths that the selection measured, else characters; None for a pool too large, or empty."""
    scored = selection.guarded.scored
    unit = next((one.name for one in selection.scorers if one.name in measures()), None)
    if unit is not None:
        columns = [batch[unit].cast(pa.float64()) for batch in scored.batches([unit])]
        values = pa.chunked_array(columns, pa.float64()).to_numpy()
    elif selection.pool.rows <= MOST:
        unit = "chars"
        values = lengths(selection.pool, unit)
    else:
        return None
    numbers = np.concatenate([batch["row"].to_numpy() for batch in scored.batches([])] or [np.empty(0)])
    kept = values[np.isin(numbers, selection.rows)]
    values, kept = values[~np.isnan(values)], kept[~np.isnan(kept)]
    return _drawn(values, kept, unit) if len(values) else None


def _drawn(pool: np.ndarray, kept: np.ndarray, unit: str) -> Lengths:
    edges = np.array([*EDGES, np.inf])
    counts = np.stack([np.histogram(values, edges)[0] for values in (pool, kept)])
    filled = np.flatnonzero(counts[0])
    first, last = int(filled[0]), int(filled[-1])
    counts = counts[:, first : last + 1]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    heights = HEIGHT * shares / shares.max()
    step = WIDTH / counts.shape[1]
    bars = []
    for index in range(counts.shape[1]):
        described = f"{counts[0, index]:,} of the pool, {counts[1, index]:,} kept"
        tall, filled_to = (round(float(height), 1) for height in heights[:, index])
        title = f"from {EDGES[first + index]:,} {unit}: {described}"
        bars.append(Bar(round(step * index, 1), round(step * 0.9, 1), tall, filled_to, title))
    ends = (f"{EDGES[first]:,}", f"{pool.max():,.0f} {unit}")
    return Lengths(unit, bars, ends, _median(pool), _median(kept))


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):,.0f}" if len(values) else "no value"


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}…"


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader: Any = PackageLoader("handpicked.selection", ".")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["thousands"] = lambda number: f"{number:,}"
    return environment.get_template("notebook.html.j2")
