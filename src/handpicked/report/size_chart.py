"""A size curve as inline SVG, under the same rules as the other charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from handpicked.statistics.size_curve import Point

TALL = 190
"""Height of the chart, pixels."""
FLOOR = TALL - 22
LEFT, RIGHT = 0.12, 0.95
"""Where the smallest and the largest size are, as shares of the width; the labels of
the values are left of them.
"""


@dataclass(frozen=True)
class Frame:
    """The axes that all curves of one measure share: rows on a logarithmic scale, values on a plain one."""

    rows: tuple[int, int]
    values: tuple[float, float]

    def x(self, rows: int) -> str:
        least, most = (math.log(max(1, end)) for end in self.rows)
        share = (math.log(max(1, rows)) - least) / ((most - least) or 1.0)
        return f"{100 * (LEFT + (RIGHT - LEFT) * share):.3f}%"

    def y(self, value: float) -> float:
        low, high = self.values
        return round(8 + (FLOOR - 16) * (high - value) / (high - low), 1)


def size_chart(points: Sequence[Point], frame: Frame, smallest: str, even: float | None) -> Markup:
    """Values with their intervals by rows; sizes that are worse than the best are hollow, the
    arm ``smallest`` is large.

    ``even``, where given, is a share at which neither side is
    better: a dashed line, and values are labelled as percentages.
    """
    parts = [*_labels(frame, even), *_trend(frame, points)]
    for point in points:
        parts += _mark(frame, point, large=point.arm == smallest)
    return Markup(
        f'<svg class="panel" width="100%" height="{TALL}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'
    )


def _labels(frame: Frame, even: float | None) -> Iterator[str]:
    yield f'<line class="floor" x1="8%" x2="100%" y1="{FLOOR}" y2="{FLOOR}"/>'
    low, high = frame.values
    third = (high - low) / 3
    for value in dict.fromkeys((low + third / 3, even or (low + high) / 2, high - third / 3)):
        text = f"{value:.2f}" if even is None else f"{value:.0%}"
        yield f'<text class="tick start" x="0" y="{frame.y(value) + 4}">{text}</text>'
    if even is not None:
        yield f'<line class="zero" x1="8%" x2="100%" y1="{frame.y(even)}" y2="{frame.y(even)}"/>'


def _trend(frame: Frame, points: Sequence[Point]) -> Iterator[str]:
    for a, b in pairwise(points):
        if a.value.value is None or b.value.value is None:
            continue
        ends = (frame.x(a.rows), frame.x(b.rows), frame.y(a.value.value), frame.y(b.value.value))
        yield '<line class="trend" x1="{}" x2="{}" y1="{}" y2="{}"/>'.format(*ends)


def _mark(frame: Frame, point: Point, *, large: bool) -> Iterator[str]:
    value, x = point.value, frame.x(point.rows)
    kind = "solid better" if point.enough else "hollow open"
    if value.low is not None and value.high is not None:
        ends = frame.y(value.high), frame.y(value.low)
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{ends[0]}" y2="{ends[1]}"/>'
    if value.value is not None:
        yield f'<circle class="{kind}" cx="{x}" cy="{frame.y(value.value)}" r="{7.5 if large else 4.5}"/>'
    yield f'<text class="tick" x="{x}" y="{FLOOR + 15}">{point.rows:,}</text>'
