"""Numbers as a reader sees them."""

from __future__ import annotations

import pytest

from handpicked.pages.text import compact, p_value, percent_interval
from handpicked.records import Estimate


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.53, 0.69, "53 to 69%"),
        (0.503, 0.69, "50.3 to 69.0%"),
        (0.41, 0.4996, "41.00 to 49.96%"),
        (0.5, 0.69, "50 to 69%"),
        (0.495001, 0.6, "49.5 to 60.0%"),
        (0.494, 0.6, "49 to 60%"),
        (0.5 - 1e-12, 0.6, "50.0000 to 60.0000%"),
    ],
)
def test_an_interval_shows_on_which_side_of_50_its_ends_lie(low, high, shown):
    assert percent_interval(Estimate(0.55, low, high, 9, 0, "Wilson")) == shown


@pytest.mark.parametrize(
    ("p", "decided", "shown"),
    [
        (None, None, "–"),
        (0.0123, None, "0.012"),
        (0.0004, 40, "under 0.001"),
        (0.0498, 40, "0.0498"),
        (0.05, 40, "0.050"),
        (0.0500004, 40, "0.0500004"),
        (0.001, 9, "–"),
        (0.2, 10, "0.200"),
    ],
)
def test_a_p_value_shows_on_which_side_of_the_level_it_lies(p, decided, shown):
    assert p_value(p, decided) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-1146.3, "−1,146"), (999.6, "1,000"), (54.03, "54"), (0.02134, "0.0213"), (2e-5, "2e−05"), (None, "–")],
)
def test_a_compact_number_shows_all_digits_before_the_point(value, shown):
    assert compact(value) == shown
