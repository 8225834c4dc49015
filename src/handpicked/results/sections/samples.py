"""The section of results.json with judged prompts for reading."""

from __future__ import annotations

from dataclasses import dataclass

from handpicked.records import Outcome, Review


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """An answer as it was generated."""

    text: str
    tokens: int | None
    finished: bool


@dataclass(frozen=True, slots=True)
class SampleVerdict:
    """A verdict with every review as it came."""

    judge: str
    strict: Outcome
    summed: Outcome
    reviews: tuple[Review, ...]


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival's answer, and the verdicts on the candidate's against it."""

    arm: str
    answer: SampleAnswer | None
    verdicts: tuple[SampleVerdict, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """A judged prompt for reading; ``answer`` is the candidate's."""

    prompt_id: str
    test_set: str
    prompt: str
    reference: str | None
    answer: SampleAnswer | None
    rivals: tuple[Rival, ...]
