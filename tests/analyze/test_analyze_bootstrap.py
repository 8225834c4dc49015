"""Intervals: against the textbook's way of computing them, and against known cases."""

from __future__ import annotations

import numpy as np
import pytest

from handpicked.analyze import bootstrap


def test_drawing_kinds_of_prompts_is_drawing_prompts():
    """The multinomial shortcut against drawing prompts one by one: the same quantiles, up to the noise of sampling."""
    rng = np.random.default_rng(1)
    totals = np.column_stack([rng.integers(0, 3, 60), rng.integers(1, 4, 60)]).astype(float)
    fast = bootstrap.resampled_totals(totals, 40_000, seed=2)
    slow = np.stack([totals[rng.integers(0, 60, 60)].sum(axis=0) for _ in range(40_000)])
    for statistic in (lambda s: s[:, 0] / s[:, 1], lambda s: s[:, 0]):
        quantiles = [np.quantile(statistic(s), [0.025, 0.25, 0.5, 0.75, 0.975]) for s in (fast, slow)]
        assert quantiles[0] == pytest.approx(quantiles[1], rel=0.02)


def test_wilson_against_published_values():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert bootstrap.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
