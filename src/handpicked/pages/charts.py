"""Small static charts as inline SVG.

Positions along x are percentages of the width and nothing is scaled, so text and strokes keep their size from
phone to paper. Colours are classes of style.css (light and dark). Every chart repeats numbers that its table
or caption states, so all are hidden from screen readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

from handpicked.pages.text import Interval
from handpicked.statistics.histogram import LengthSummary
from handpicked.statistics.win_rate import Counts

ROW = 30
"""Height of a chart in a table row, pixels."""


def _svg(height: int, parts: Iterable[str], name: str = "row") -> Markup:
    return Markup(
        f'<svg class="{name}" width="100%" height="{height}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )


def _x(value: float) -> str:
    return f"{100 * value:.3f}%"


def outcome_bar(counts: Counts) -> Markup:
    """Wins, ties and losses as shares of the judged pairs, each labelled with its count where it fits."""
    parts, left = [], 0.0
    for name, count in (("win", counts.win), ("tie", counts.tie), ("lose", counts.lose)):
        share = count / counts.n if counts.n else 0.0
        if share:
            parts.append(f'<rect class="{name}" x="{_x(left)}" y="4" width="{_x(share)}" height="22"/>')
        if share >= 0.08:
            parts.append(f'<text class="on-{name}" x="{_x(left + share / 2)}" y="20">{count}</text>')
        left += share
    return _svg(ROW, parts)


def interval(
    estimate: Interval | None,
    low: float,
    high: float,
    zero: float,
    second: Interval | None = None,
    good: str = "high",
) -> Markup:
    """A dot and its 95% interval on an axis from ``low`` to ``high`` with a line at ``zero``.

    The mark is coloured by side: ``good`` says which side of ``zero`` is better (high, low, none). A
    ``second`` estimate is drawn hollow below.
    """
    parts = [
        f'<line class="zero" x1="{_x(_at(zero, low, high))}" x2="{_x(_at(zero, low, high))}" y1="0" y2="{ROW}"/>'
    ]
    for item, y, kind in ((estimate, 15 if second is None else 10, "solid"), (second, 21, "hollow")):
        if item is None or item.value is None or item.low is None or item.high is None:
            continue
        side = _side(item.low, item.high, zero, good)
        left, right, dot = (_x(_at(end, low, high)) for end in (item.low, item.high, item.value))
        parts.append(f'<line class="{kind} {side}" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="{kind} {side}" cx="{dot}" cy="{y}" r="{5 if kind == "solid" else 4}"/>')
    return _svg(ROW, parts)


def _at(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _side(low: float, high: float, zero: float, good: str) -> str:
    """``better`` or ``worse`` when the whole interval lies on one side, else (or where
    no side is good) ``open``.
    """
    if good == "none":
        return "open"
    if low > zero:
        return "better" if good == "high" else "worse"
    if high < zero:
        return "worse" if good == "high" else "better"
    return "open"


def axis(low: float, high: float, labels: Sequence[tuple[float, str]]) -> Markup:
    """The labelled ticks above a column of intervals."""
    return _svg(18, [_tick(_at(value, low, high), label, 14) for value, label in labels])


def _tick(at: float, label: str, y: int) -> str:
    """A label under or over a place on an axis, kept inside the chart at its ends."""
    anchor = "start" if at < 0.05 else "end" if at > 0.92 else "middle"
    return f'<text class="tick {anchor}" x="{_x(at)}" y="{y}">{escape(label)}</text>'


def share_bar(value: float, most: float) -> Markup:
    """One bar, ``value`` out of ``most``."""
    share = value / most if most else 0.0
    return _svg(ROW, [f'<rect class="bar" x="0" y="7" width="{_x(share)}" height="16"/>'])


def quantile_strip(quantiles: Mapping[str, float] | None, most: float) -> Markup:
    """The middle 90% as a thin line, the middle half as a thick one, the median as a dot, from 0 to ``most``."""
    if quantiles is None:
        return _svg(ROW, [])
    at = {q: _x(quantiles[q] / most if most else 0.0) for q in ("p5", "p25", "p50", "p75", "p95")}
    return _svg(
        ROW,
        [
            f'<line class="thin" x1="{at["p5"]}" x2="{at["p95"]}" y1="15" y2="15"/>',
            f'<line class="thick" x1="{at["p25"]}" x2="{at["p75"]}" y1="15" y2="15"/>',
            f'<circle class="solid better" cx="{at["p50"]}" cy="15" r="5"/>',
        ],
    )


def histogram(pool: LengthSummary, subset: LengthSummary, bins: Sequence[int], tallest: float) -> Markup:
    """Response lengths of a subset over those of the pool, as shares of their rows, on a logarithmic axis.

    ``bins`` are the lower edges of the bins shown, ``tallest`` the share that fills the height.
    """
    shares = [
        [one.counts.get(str(edge), 0) / one.n if one.n else 0.0 for edge in bins] for one in (pool, subset)
    ]
    ticks = [(place / len(bins), f"{edge:,}") for place, edge in enumerate(bins) if _labelled(edge)]
    return bars(shares[0], shares[1], tallest, ticks)


def bars(
    pool: Sequence[float], subset: Sequence[float], tallest: float, ticks: Iterable[tuple[float, str]]
) -> Markup:
    """Bars of a subset before those of its pool, in the same bins; ``tallest`` fills the height, and
    ``ticks`` are places from 0 to 1 along the floor, each with its label.
    """
    width, floor, parts = 1 / max(1, len(pool)), 96, []
    for kind, shares, inset in (("pool", pool, 0.0), ("subset", subset, 0.2)):
        for place, share in enumerate(shares):
            if share:
                height = max(1.0, 90 * share / tallest)
                x, w = (place + inset) * width, (1 - 2 * inset) * width
                parts.append(
                    f'<rect class="{kind}" x="{_x(x)}" width="{_x(w)}" y="{floor - height:.1f}" height="{height:.1f}"/>'
                )
    parts.append(f'<line class="floor" x1="0" x2="100%" y1="{floor}" y2="{floor}"/>')
    parts += [_tick(at, label, floor + 15) for at, label in ticks]
    return _svg(floor + 20, parts, "panel")


def _labelled(edge: int) -> bool:
    """Powers of 4 carry a label."""
    return edge > 0 and edge & (edge - 1) == 0 and edge.bit_length() % 2 == 1


def curve(
    mine: Sequence[Sequence[float]], others: Sequence[Sequence[Sequence[float]]], top: Sequence[float]
) -> Markup:
    """A loss curve in front of the other arms'. ``top`` is (last step, lowest loss, highest
    loss) of the shared axes.
    """
    last, low, high = top
    lines = [("others", points) for points in others] + [("mine", mine)]
    shapes = "".join(
        f'<polyline class="{kind}" points="{_points(points, last, low, high)}"/>' for kind, points in lines
    )
    return Markup(
        '<svg class="curve" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f"{shapes}</svg>"
    )


MOST_POINTS = 120


def _points(points: Sequence[Sequence[float]], last: float, low: float, high: float) -> str:
    """At most ``MOST_POINTS`` points: neighbours are averaged."""
    size = -(-len(points) // MOST_POINTS) or 1
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    means = [
        (sum(p[0] for p in group) / len(group), sum(p[1] for p in group) / len(group)) for group in groups
    ]
    return " ".join(f"{100 * _at(x, 0, last):.2f},{100 - 100 * _at(y, low, high):.2f}" for x, y in means)
