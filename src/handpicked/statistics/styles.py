"""Counts headings, lists, bold and code in an answer, for style control."""

from __future__ import annotations

import re
from functools import lru_cache

STYLES = {
    "headings": re.compile(r"^#{1,6} ", re.MULTILINE),
    "list items": re.compile(r"^[^\S\n]*(?:[-*+]|\d+[.)]) ", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*"),
    "code blocks": re.compile(r"^```", re.MULTILINE),
}


def style_counts(text: str) -> dict[str, int]:
    """How often each Markdown style term occurs; a code block counts once for its two fences."""
    return dict(zip(STYLES, _counts(text), strict=True))


def style_differences(a: str, b: str) -> tuple[float, ...]:
    """(a - b) / (a + b) of the counts of each of ``STYLES``, -1 to 1; 0 where neither answer has any."""
    return tuple((i - j) / (i + j) if i + j else 0.0 for i, j in zip(_counts(a), _counts(b), strict=True))


@lru_cache(maxsize=100_000)
def _counts(text: str) -> tuple[int, ...]:
    """Kept, because an answer is looked at again for every judge, rival and group of prompts."""
    counts = {name: len(pattern.findall(text)) for name, pattern in STYLES.items()}
    counts["code blocks"] = (counts["code blocks"] + 1) // 2
    return tuple(counts.values())
