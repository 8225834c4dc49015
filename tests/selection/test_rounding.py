"""A share of rows is the decimal number that was written, rounded down."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.selection.rounding import share_of


@pytest.mark.parametrize(
    ("fraction", "rows", "share"),
    [
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.07, 100, 7),
        (0.1, 9, 0),
        (1, 7, 7),
        (1e-05, 300_000, 3),
        (0, 9, 0),
    ],
)
def test_shares_that_floats_get_wrong(fraction, rows, share):
    assert share_of(fraction, rows) == share


@given(st.floats(0, 1), st.integers(0, 10**12))
def test_it_is_exact_decimal_arithmetic(fraction, rows):
    with localcontext() as exact:
        exact.prec = 1200
        expected = (Decimal(repr(fraction)) * rows).to_integral_value(ROUND_FLOOR)
    assert share_of(fraction, rows) == expected


@given(st.integers(0, 10_000), st.integers(0, 10**9))
def test_hundredths_of_a_percent_are_what_they_say(parts, rows):
    assert share_of(parts / 10_000, rows) == parts * rows // 10_000
