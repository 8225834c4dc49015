"""What the arms selected, in numbers: overlap, scores against length, and how each
subset differs from the pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handpicked.results.sections.selected import (
    FeatureDifference,
    LengthCorrelation,
    SampledRows,
    SelectionAudit,
)
from handpicked.statistics.difference import spearman, standardised
from handpicked.statistics.overlap import Overlap, shares


@dataclass(frozen=True)
class RowSample:
    """The sampled ``rows`` of a set, ascending, and its size ``of``."""

    rows: Sequence[int]
    of: int


def selection_audit(
    rows: Mapping[str, Sequence[Any]],
    sets: Mapping[str, RowSample],
    overlap: Sequence[Overlap],
    *,
    pool: str,
    measure: str,
    features: Sequence[str],
    scores: Sequence[str],
) -> SelectionAudit:
    """``rows`` holds columns of sampled rows (``row``, ``source``, ``measure``, features, scores); ``sets``
    maps the pool's name and each arm's to its sample; ``overlap`` is what ``overlap.overlaps`` found.

    ``correlations`` are Spearman's of each feature and score with the length in ``measure`` over the pool's
    sample; ``differences`` the standardised ones of each arm from the pool; ``sources`` the share of each
    source, where there are two or more.
    """
    place = {row: index for index, row in enumerate(rows["row"])}
    places = {name: [place[row] for row in one.rows] for name, one in sets.items()}

    def values(column: str, name: str) -> list[Any]:
        return [rows[column][index] for index in places[name]]

    arms = [name for name in sets if name != pool]
    sources = shares({name: values("source", name) for name in (pool, *arms)})
    return SelectionAudit(
        sample={name: SampledRows(len(one.rows), one.of) for name, one in sets.items()},
        overlap=tuple(overlap),
        correlations=tuple(
            LengthCorrelation(name, spearman(values(name, pool), values(measure, pool)))
            for name in (*scores, *features)
        ),
        differences=tuple(
            FeatureDifference(
                name, {arm: standardised(values(name, arm), values(name, pool)) for arm in arms}
            )
            for name in (measure, *features)
        ),
        sources=tuple(sources) if len(sources) > 1 else (),
    )
