"""Formats numbers and untrusted text for a page."""

from __future__ import annotations

import re
from typing import Protocol

from handpicked.progress import duration as duration


class Interval(Protocol):
    """A value with its 95% interval: an Estimate, or a controlled rate."""

    @property
    def value(self) -> float | None: ...

    @property
    def low(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


LONGEST_TEXT = 6000
"""Characters of a prompt or an answer that the page shows; results.json has all of them."""

LEAST_DECIDED = 10
"""Verdicts with a winner below which no p-value is shown: one more verdict would change it too much."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)


def visible(text: str) -> str:
    """Foreign text with control characters, lone surrogates and direction overrides made visible."""
    return _CONTROL.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else f"[U+{code:04X}]"


def shorten(text: str, most: int = LONGEST_TEXT) -> tuple[str, int]:
    """The start of a text and how many of its characters are left out."""
    return text[:most], max(0, len(text) - most)


def value_of(estimate: Interval | None) -> float | None:
    """The value of an estimate, which may be missing."""
    return None if estimate is None else estimate.value


def percent(value: float | None) -> str:
    """``61%``; a dash for no value."""
    return "–" if value is None else f"{100 * value:.0f}%"


def number(value: float | None, digits: int = 0) -> str:
    """``12,345`` or ``1.234``; a dash for no value."""
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−")


def compact(value: float | None) -> str:
    """Three significant digits, ``0.0213`` or ``2e-05``, and all digits before the point, ``1,146``; a dash for
    no value.
    """
    if value is not None and 999.5 <= abs(value) < 1e9:
        return number(value)
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


def compact_percent(value: float | None) -> str:
    """A share in three significant digits of a percent, ``0.0213%``; a dash for no value."""
    return "–" if value is None else f"{100 * value:.3g}%"


def signed(value: float | None, digits: int = 3) -> str:
    """``+0.120`` or ``−0.120``; a dash for no value."""
    return "–" if value is None else f"{value:+,.{digits}f}".replace("-", "−")


def percent_interval(estimate: Interval | None) -> str:
    """``53 to 69%``; with more digits where rounding would hide on which side of 50% an end lies."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    ends = [100 * estimate.low, 100 * estimate.high]
    digits = next((n for n in range(4) if not any(_hidden(end, n) for end in ends)), 4)
    return f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}%"


def _hidden(end: float, digits: int) -> bool:
    return end != 50 and round(end, digits) == 50


def p_value(p: float | None, decided: int | None = None) -> str:
    """``0.012``, and ``under 0.001``; a dash for no value, and where fewer than 10 verdicts were decided."""
    if p is None or (decided is not None and decided < LEAST_DECIDED):
        return "–"
    if p < 0.001:
        return "under 0.001"
    return next(text for n in range(3, 9) if float(text := f"{p:.{n}f}") != 0.05 or p == 0.05 or n == 8)


def signed_interval(estimate: Interval | None, digits: int = 3) -> str:
    """``−0.020 to +0.110``."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{signed(estimate.low, digits)} to {signed(estimate.high, digits)}"


def points(value: float | None) -> str:
    """A share in points of 100, ``61.3``; a dash for no value."""
    return "–" if value is None else f"{100 * value:.1f}".replace("-", "−")


def signed_points(value: float | None) -> str:
    """``+1.2`` or ``−1.2`` points of 100; a dash for no value."""
    return "–" if value is None else f"{100 * value:+.1f}".replace("-", "−")


def points_interval(estimate: Interval | None) -> str:
    """``−0.2 to +1.1`` points of 100."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{signed_points(estimate.low)} to {signed_points(estimate.high)}"
