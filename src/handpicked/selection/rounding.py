"""Turns a fraction of rows into a number of rows; used everywhere."""

from __future__ import annotations

from fractions import Fraction


def share_of(fraction: float, rows: int) -> int:
    """That fraction (0 to 1) of ``rows``, rounded down; 0.29 of 100 is 29.

    A fraction means the decimal number that it is written as: the float 0.29 lies a little below 0.29, and
    its product with 100 below 29.
    """
    return int(Fraction(repr(float(fraction))) * rows)
