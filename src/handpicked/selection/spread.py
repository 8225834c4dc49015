"""How the values of score columns spread over a pool, and over the rows that were kept of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.selection.scores import ScoredPool
from handpicked.statistics.histogram import EDGES

MOST = 1_000_000
"""Values of a column that are looked at; of a larger pool every second, third or n-th row."""
BINS = 40
"""Bins of equal width between the 1st and the 99th percentile; the outer ones hold the rest."""
PERCENTILES = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True)
class Quantiles:
    """``n`` values and their quantiles (those of ``PERCENTILES``; empty for none), ``missing`` rows without
    a value.
    """

    n: int
    missing: int
    at: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """One column. ``pool`` and ``kept`` say its quantiles; ``edges`` bound the bins of the histogram,
    ``pool_shares`` and ``kept_shares`` are the shares of each that lie there. ``every``: each how many-th row
    of the pool was looked at.
    """

    name: str
    unit: str
    pool: Quantiles
    kept: Quantiles
    edges: tuple[float, ...]
    pool_shares: tuple[float, ...]
    kept_shares: tuple[float, ...]
    every: int = 1


def spreads(
    scored: ScoredPool, units: Sequence[tuple[str, str]], kept: np.ndarray, lengths: Collection[str] = ()
) -> list[Spread]:
    """The spread of each column of numbers among ``units`` (names with their units), over the scored rows and
    over those numbered in ``kept`` (ascending). Those named in ``lengths`` get bins of half octaves.
    """
    kinds = {one.name: one.type for one in scored.schema}
    named = [(n, u) for n, u in units if n in kinds and _is_number(kinds[n])]
    if not named:
        return []
    every = -(-scored.rows // MOST) or 1
    pools: dict[str, list[np.ndarray]] = {name: [] for name, _ in named}
    keeps: dict[str, list[np.ndarray]] = {name: [] for name, _ in named}
    for batch, seen, chosen in _places(scored, list(pools), kept, every):
        for name in pools:
            values = pc.cast(batch[name], pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            pools[name].append(values[seen])
            keeps[name].append(values[chosen])
    return [
        spread(
            name, unit, _joined(pools[name]), _joined(keeps[name]), half_octaves=name in lengths, every=every
        )
        for name, unit in named
    ]


def spread(
    name: str, unit: str, pool: np.ndarray, kept: np.ndarray, *, half_octaves: bool, every: int = 1
) -> Spread:
    """The spread of ``pool`` and ``kept``: float64, NaN where there is no value."""
    known, chosen = pool[~np.isnan(pool)], kept[~np.isnan(kept)]
    edges = _octaves(known) if half_octaves else _even(known)
    return Spread(
        name, unit, _quantiles(pool, known), _quantiles(kept, chosen), tuple(map(float, edges)),
        _shares(known, edges), _shares(chosen, edges), every,
    )  # fmt: skip


def _places(
    scored: ScoredPool, names: Sequence[str], kept: np.ndarray, every: int
) -> Iterator[tuple[pa.RecordBatch, slice, np.ndarray]]:
    """Each batch, with the places in it of the rows to look at and of the kept ones among ``MOST``."""
    fewer = -(-len(kept) // MOST) or 1
    kept, passed = kept[::fewer], 0
    for batch in scored.batches(names):
        rows = batch["row"].to_numpy()
        near = kept[slice(*np.searchsorted(kept, (rows[0], rows[-1] + 1)))] if len(rows) else kept[:0]
        yield batch, slice(-passed % every, None, every), np.searchsorted(rows, near)
        passed += len(rows)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _quantiles(values: np.ndarray, known: np.ndarray) -> Quantiles:
    at = tuple(map(float, np.percentile(known, PERCENTILES))) if len(known) else ()
    return Quantiles(len(known), len(values) - len(known), at)


def _octaves(known: np.ndarray) -> np.ndarray:
    """The half octaves that hold a value, and those between."""
    if not len(known):
        return np.empty(0)
    first, last = np.searchsorted(EDGES, (known.min(), known.max()), side="right") - 1
    return np.array([*EDGES[max(0, first) : last + 1], EDGES[last + 1] if last + 1 < len(EDGES) else np.inf])


def _even(known: np.ndarray) -> np.ndarray:
    finite = known[np.isfinite(known)]
    if not len(finite):
        return np.empty(0)
    low, high = np.percentile(finite, (1, 99))
    return np.linspace(low, high, BINS + 1) if high > low else np.array([low, np.nextafter(low, np.inf)])


def _shares(values: np.ndarray, edges: np.ndarray) -> tuple[float, ...]:
    """The share of the values in each bin; the outer bins are open."""
    if not len(values) or not len(edges):
        return (0.0,) * max(0, len(edges) - 1)
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(places, minlength=len(edges) - 1)
    return tuple((counts / len(values)).tolist())
