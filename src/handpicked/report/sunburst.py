"""Verbs and their objects as a sunburst: the figure of Wang et al. (2023), Self-Instruct, as
static SVG of a fixed size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from handpicked.statistics.verb_noun import VerbCount

SIZE = 340
"""Width and height in pixels: it fits a phone, so that nothing is scaled and text keeps its size."""
RINGS = (38, 100, 168)
HUES = 8
LETTERS = 10
"""Letters of a word that fit into a ring."""
LINE = 11
"""Pixels along the arc that a line of text needs."""


def sunburst(verbs: Sequence[VerbCount], order: Sequence[str]) -> Markup:
    """The inner ring holds ``verbs`` by their counts, the outer one each verb's objects as shares of that
    verb; the gaps are rarer objects and none. A verb has the colour of its place in ``order``,
    the same in every figure.
    """
    total = sum(verb.n for verb in verbs)
    parts: list[str] = []
    start = 0.0
    for verb in verbs:
        end = start + verb.n / total
        hue = f"h{order.index(verb.verb) % HUES}"
        parts.append(_piece(start, end, 0, hue, verb.verb))
        at = start
        for noun in verb.nouns:
            to = at + noun.n / total
            parts.append(_piece(at, to, 1, f"{hue} noun", noun.noun))
            at = to
        start = end
    middle = SIZE / 2
    return Markup(
        f'<svg class="sunburst" width="{SIZE}" height="{SIZE}" aria-hidden="true" focusable="false">'
        f'<g transform="translate({middle:g} {middle:g})">{"".join(parts)}</g></svg>'
    )


def _piece(start: float, end: float, ring: int, kind: str, word: str) -> str:
    """A piece of a ring from one turn (0 to 1) to another, with its word along the radius where it fits."""
    inner, outer = RINGS[ring], RINGS[ring + 1]
    end = min(end, start + 0.9999)  # a whole circle has no arc
    large = int(end - start > 0.5)
    a, b, c, d = _at(start, outer), _at(end, outer), _at(end, inner), _at(start, inner)
    shape = f'<path class="{kind}" d="M{a}A{outer} {outer} 0 {large} 1 {b}L{c}A{inner} {inner} 0 {large} 0 {d}Z"/>'
    radius = (inner + outer) / 2
    if (end - start) * 2 * math.pi * radius < LINE:
        return shape
    turn = (start + end) / 2
    degrees = 360 * turn - 90
    flipped = 180 if turn > 0.5 else 0
    text = word if len(word) <= LETTERS else word[: LETTERS - 1] + "\u2026"
    x = -radius if flipped else radius
    return f'{shape}<text transform="rotate({degrees + flipped:.2f})" x="{x:g}" y="4">{escape(text)}</text>'


def _at(turn: float, radius: float) -> str:
    """The point after this share of a turn, clockwise from the top."""
    angle = 2 * math.pi * turn
    return f"{radius * math.sin(angle):.2f} {-radius * math.cos(angle):.2f}"
