"""``audit.html``: one self-contained page in the style of the report."""

from __future__ import annotations

from collections.abc import Sequence

from handpicked.pages.shell import environment_of, shell
from handpicked.pool_audit import tables
from handpicked.pool_audit.record import Audit, Lengths
from handpicked.pool_audit.text import by_rows, share
from handpicked.statistics.histogram import EDGES, LengthSummary

NOTHING = LengthSummary(0, 0, {}, None, None, 0)


def page(audit: Audit) -> str:
    """The page of one audit: no script, no network, the same bytes for the same audit."""
    shown = _different(audit.lengths)
    bins = _bins(shown)
    return (
        environment_of("handpicked.pool_audit")
        .get_template("audit.html.j2")
        .render(
            **shell(),
            audit=audit,
            lengths=shown,
            bins=bins,
            tallest=max((count / one.rows for one in shown for count in one.counts.values()), default=1.0),
            nothing=NOTHING,
            summary=_summary,
            share=share,
            finding=by_rows(audit.guards),
            tables=tables,
        )
    )


def _different(lengths: Sequence[Lengths]) -> list[Lengths]:
    """Those to draw: an answer that is the whole response is not drawn again."""
    found: list[Lengths] = []
    for one in lengths:
        if one.rows and all(one.counts != other.counts for other in found):
            found.append(one)
    return found


def _bins(lengths: Sequence[Lengths]) -> list[int]:
    """The lower edges of the bins that any of the lengths fill, and those between."""
    filled = [int(edge) for one in lengths for edge in one.counts]
    return [edge for edge in EDGES if filled and min(filled) <= edge <= max(filled)]


def _summary(one: Lengths) -> LengthSummary:
    return LengthSummary(one.rows, 0, one.counts, one.quantiles, one.mean, one.total)
