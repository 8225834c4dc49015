"""A reported number, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A reported number. ``value``, ``low`` and ``high`` are ``None`` when ``n`` is 0:
    an empty set has no mean.

    ``low`` to ``high`` is the 95% interval by ``method``; ``missing`` counts the items
    left out because they have no value.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    method: str


@dataclass(frozen=True, slots=True)
class NotEstimable:
    """A number that the data cannot give, and why. ``n`` and ``missing`` count as an Estimate's do."""

    reason: str
    n: int
    missing: int
