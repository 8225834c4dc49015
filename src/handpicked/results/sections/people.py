"""The section of results.json on the votes of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handpicked.records import Estimate


@dataclass(frozen=True, slots=True)
class VoteCounts:
    """The distribution of labels."""

    n: int
    win: int
    tie: int
    lose: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class Annotator:
    """One person's votes."""

    name: str
    n: int
    win: int
    tie: int
    lose: int
    unparsed: int


@dataclass(frozen=True, slots=True)
class PeopleComparison:
    """People's outcomes for two arms, and each judge's on the same pairs, from the side of ``a``."""

    a: str
    b: str
    people: VoteCounts
    judges: Mapping[str, VoteCounts]


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """How well two raters agree: see ``statistics.agreement.Agreement``."""

    one: str
    other: str
    agreement: Estimate
    kappa: Estimate
    table: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class People:
    """What the votes of people say. ``stale`` votes are on answers that have since changed, and are left out
    of the rest.

    ``longer``: how often people preferred the longer answer, where they had a preference and the lengths
    differ.
    """

    votes: int
    stale: int
    pairs: int
    annotators: tuple[Annotator, ...]
    reasons: Mapping[str, int]
    comparisons: tuple[PeopleComparison, ...]
    longer: Estimate
    agreement: tuple[RaterAgreement, ...]
