"""What the arms selected, in numbers: overlap, scores against length, and how each subset differs from the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from handpicked.statistics.difference import spearman, standardised
from handpicked.statistics.overlap import shares

Json = dict[str, Any]


def selection_audit(
    rows: Mapping[str, Sequence[Any]],
    sets: Mapping[str, Mapping[str, Any]],
    overlap: Sequence[Mapping[str, Any]],
    *,
    pool: str,
    measure: str,
    features: Sequence[str],
    scores: Sequence[str],
) -> Json:
    """``rows`` holds columns of sampled rows (``row``, ``source``, ``measure``, features, scores); ``sets`` maps the pool's name
    and each arm's to its sampled ``rows`` and its size ``of``; ``overlap`` is what ``overlap.overlaps`` found.

    ``correlations`` are Spearman's of each feature and score with the length in ``measure`` over the pool's sample;
    ``differences`` the standardised ones of each arm from the pool; ``sources`` the share of each source, where there are two
    or more.
    """
    place = {row: index for index, row in enumerate(rows["row"])}
    places = {name: [place[row] for row in one["rows"]] for name, one in sets.items()}

    def values(column: str, name: str) -> list[Any]:
        return [rows[column][index] for index in places[name]]

    arms = [name for name in sets if name != pool]
    sources = shares({name: values("source", name) for name in (pool, *arms)})
    return {
        "sample": {name: {"rows": len(one["rows"]), "of": one["of"]} for name, one in sets.items()},
        "overlap": [dict(item) for item in overlap],
        "correlations": [
            {"score": name, "spearman": asdict(spearman(values(name, pool), values(measure, pool)))}
            for name in (*scores, *features)
        ],
        "differences": [
            {
                "feature": name,
                "arms": {arm: asdict(standardised(values(name, arm), values(name, pool))) for arm in arms},
            }
            for name in (measure, *features)
        ],
        "sources": sources if len(sources) > 1 else [],
    }
