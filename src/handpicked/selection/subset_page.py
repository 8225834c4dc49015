"""``report.html`` of a written subset: what was kept and why, and what to look at before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from handpicked.pages.shell import shell
from handpicked.records import Dropped, Pool
from handpicked.selection.card import how
from handpicked.selection.lengths import lengths
from handpicked.selection.methods import measures
from handpicked.selection.origin import Origin, origin
from handpicked.selection.page import environment
from handpicked.selection.spread import Spread, spread, spreads

if TYPE_CHECKING:
    from handpicked.selection.result import Selection

FIRST = 5
"""Kept rows that are shown."""
WHOLE = 20_000
"""Rows of a pool up to which all are measured where the selection measured no length."""
PLACES, AT_EACH = 20, 250
"""Of a larger one: rows are taken at this many places, this many at each."""
KEPT = 1000
"""Kept rows that are measured then."""


@dataclass(frozen=True)
class Row:
    """One kept row: its number in the pool, and its texts."""

    row: int
    prompt: str
    response: str


@dataclass(frozen=True)
class Finding:
    """What one filter would drop of the kept rows: how many, by which rule, and the most common findings."""

    filter: str
    rows: int
    rule: str
    found: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """What a trainer cuts of ``of`` kept rows at ``max_length`` tokens."""

    max_length: int
    of: int
    rows: int
    no_response: int
    tokens: int


@dataclass(frozen=True)
class SubsetPage:
    """A written subset. pool = kept + dropped + rejected. Filters looked at ``looked_at`` of the kept rows."""

    method: str
    pool: int
    kept: int
    dropped: tuple[Dropped, ...]
    rejected: tuple[Dropped, ...]
    how: tuple[tuple[str, str], ...]
    lengths: Spread | None
    lengths_from: str
    scores: tuple[Spread, ...]
    looked_at: int
    findings: tuple[Finding, ...]
    nothing_found: tuple[str, ...]
    not_looked_at: tuple[str, ...]
    cut: Cut | None
    rows: tuple[Row, ...]
    origin: Origin


def page(
    selection: Selection,
    at_hand: Pool,
    places: Sequence[int],
    manifest: Mapping[str, Any],
    versions: Mapping[str, str],
) -> str:
    """The page of ``selection``, whose kept rows are ``places`` of the pool ``at_hand``. The same bytes for
    the same manifest and rows.
    """
    found = subset_page(selection, at_hand, places, manifest, versions)
    return environment().get_template("subset.html.j2").render(page=found, **shell())


def subset_page(
    selection: Selection,
    at_hand: Pool,
    places: Sequence[int],
    manifest: Mapping[str, Any],
    versions: Mapping[str, str],
) -> SubsetPage:
    """What the page says."""
    summary, audit = selection.summary, selection.summary.audit
    units = {one.name: one.unit for one in selection.scorers}
    units |= {name: "" for name in selection.selector.columns if name not in units}
    listed = spreads(selection.guarded.scored, list(units.items()), selection.rows, measures())
    measured = next((one for one in listed if one.name in measures()), None)
    drawn, said = (measured, "") if measured else _sampled(selection, at_hand, places)
    findings = list(_findings(audit))
    return SubsetPage(
        method=summary.method,
        pool=summary.pool,
        kept=summary.kept,
        dropped=tuple(sorted(summary.dropped, key=lambda one: -one.rows)),
        rejected=summary.rejections,
        how=tuple(how(manifest)),
        lengths=drawn,
        lengths_from=said,
        scores=tuple(one for one in listed if one is not measured),
        looked_at=audit.get("rows", 0),
        findings=tuple(sorted((one for one in findings if one.rows), key=lambda one: -one.rows)),
        nothing_found=tuple(one.filter for one in findings if not one.rows),
        not_looked_at=tuple(audit.get("not_looked_at", ())),
        cut=_cut(audit.get("truncation")),
        rows=tuple(_first(selection, at_hand, places)),
        origin=origin(manifest, versions),
    )


def _first(selection: Selection, at_hand: Pool, places: Sequence[int]) -> Iterator[Row]:
    numbers = selection.rows[:FIRST].tolist()
    examples = at_hand.examples(list(places[:FIRST])) if numbers else ()
    for number, example in zip(numbers, examples, strict=True):
        yield Row(number, example.prompt, example.response)


def _findings(audit: Mapping[str, Any]) -> Iterator[Finding]:
    for name, one in audit.get("guards", {}).items():
        yield Finding(name, one["rows"], one["rule"], tuple(one.get("found", {})))


def _cut(found: Mapping[str, int] | None) -> Cut | None:
    if found is None:
        return None
    return Cut(
        found["max_length"],
        found["rows"],
        found["cut_and_lose_end_of_text"],
        found["lose_whole_response"],
        found["tokens_lost"],
    )


def _sampled(selection: Selection, at_hand: Pool, places: Sequence[int]) -> tuple[Spread | None, str]:
    """Lengths in characters, where the selection measured none; and of how many rows, where not of all."""
    pool = selection.pool
    if pool.rows <= WHOLE:
        values = lengths(pool, "chars")
        numbers = np.concatenate(
            [batch["row"].to_numpy() for batch in selection.guarded.scored.batches([])] or [np.empty(0)]
        )
        kept = values[np.isin(numbers, selection.rows)]
        return (spread("chars", "characters", values, kept, half_octaves=True) if len(values) else None), ""
    values = np.array(list(_at_places(pool)), dtype=np.float64)
    if not len(values):
        return None, ""
    step = -(-len(places) // KEPT) or 1
    few = list(places[::step]) if at_hand is not pool else []
    kept = np.array([len(one.response) for one in at_hand.examples(few)] if few else [], dtype=np.float64)
    of_kept = f" and {len(kept):,} of the kept rows" if few else "; the kept rows were not measured"
    return (
        spread("chars", "characters", values, kept, half_octaves=True),
        f"{len(values):,} rows taken at {PLACES} places of the pool{of_kept}",
    )


def _at_places(pool: Pool) -> Iterator[int]:
    """Characters of responses at places spread evenly over the pool."""
    step = max(1, len(pool.shards) // PLACES)
    for shard in pool.shards[::step][:PLACES]:
        for batch in islice(shard.read(["response"]), 1):
            yield from pc.utf8_length(batch["response"][:AT_EACH]).to_pylist()
