"""``report.html`` of written scores: how each column spreads, and why values are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from handpicked.pages.shell import shell
from handpicked.records import Dropped
from handpicked.scorers.stored import StoredReason
from handpicked.selection.methods import measures
from handpicked.selection.origin import Origin, origin
from handpicked.selection.page import environment
from handpicked.selection.spread import Spread, spreads

if TYPE_CHECKING:
    from handpicked.selection.scoring import Scored


@dataclass(frozen=True)
class Missing:
    """A column's rows without a value, by reason."""

    column: str
    rows: int
    reasons: tuple[Dropped, ...]


@dataclass(frozen=True)
class ScoresPage:
    """Written scores. pool = scored + rejected."""

    pool: int
    scored: int
    columns: tuple[str, ...]
    about: tuple[tuple[str, str], ...]
    scores: tuple[Spread, ...]
    missing: tuple[Missing, ...]
    rejected: tuple[Dropped, ...]
    origin: Origin


def page(scored: Scored, manifest: Mapping[str, Any]) -> str:
    """The page of ``scored``. The same bytes for the same manifest and scores."""
    return environment().get_template("scores.html.j2").render(page=scores_page(scored, manifest), **shell())


def scores_page(scored: Scored, manifest: Mapping[str, Any]) -> ScoresPage:
    """What the page says."""
    counts = manifest["counts"]
    made = [one for one in scored.scorers if not isinstance(one, StoredReason)]
    units = [(one.name, one.unit) for one in made]
    return ScoresPage(
        pool=counts["pool"],
        scored=counts["scored"],
        columns=tuple(one.name for one in made),
        about=tuple((one.name, f"in {one.unit}; {_SAID[one.better]}") for one in made),
        scores=tuple(spreads(scored.scored, units, np.empty(0, dtype=np.int64), measures())),
        missing=tuple(_missing(scored, counts)),
        rejected=tuple(Dropped(reason, rows) for reason, rows in counts["rejections"].items()),
        origin=origin(manifest, manifest["versions"]),
    )


_SAID: Mapping[str, str] = {
    "high": "higher is better",
    "low": "lower is better",
    "none": "neither end is better",
}


def _missing(scored: Scored, counts: Mapping[str, Any]) -> list[Missing]:
    """Every column that lacks values. A text scorer has one reason; one by a model has said why, row by row."""
    of_texts = {one.name: one.missing for one in scored.scorers}
    found = []
    for column, rows in counts["null"].items():
        reasons = counts.get("reasons", {}).get(column) or {of_texts[column]: rows}
        listed = sorted(reasons.items(), key=lambda one: (-one[1], str(one[0])))
        if rows:
            found.append(Missing(column, rows, tuple(Dropped(str(why), n) for why, n in listed)))
    return found
