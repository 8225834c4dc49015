"""Quantiles of Student's t against published tables."""

from __future__ import annotations

import pytest

from handpicked.statistics.student import two_sided


@pytest.mark.parametrize(
    ("level", "df", "value"),
    [  # NIST/SEMATECH e-Handbook, table 1.3.6.7.2, and R's qt
        (0.05, 1, 12.7062), (0.05, 2, 4.30265), (0.05, 3, 3.18245), (0.05, 4, 2.77645), (0.05, 9, 2.26216),
        (0.05, 29, 2.04523), (0.05, 499, 1.96473), (0.01, 4, 4.60409), (0.0125, 1, 50.9233), (0.001, 29, 3.65941),
        (0.5, 3, 0.76489),
    ],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(level, df, value):
    assert two_sided(level, df) == pytest.approx(value, rel=1e-5)


def test_it_agrees_with_scipy_everywhere():
    stats = pytest.importorskip("scipy.stats")
    for df in (1, 2, 3, 4, 5, 7, 10, 29, 30, 100, 999):
        for level in (0.9, 0.5, 0.1, 0.05, 0.01, 0.001, 1e-6, 1e-10):
            assert two_sided(level, df) == pytest.approx(stats.t.ppf(1 - level / 2, df), rel=1e-5)
