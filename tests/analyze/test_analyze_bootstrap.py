"""Intervals: against the textbook's way of computing them, and against known cases."""

from __future__ import annotations

import pytest

from handpicked.analyze import bootstrap


def test_wilson_against_published_values():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert bootstrap.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
