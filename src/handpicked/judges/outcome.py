"""The verdict on a pair from its two reviews, by the strict and the summed rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from handpicked.records import Outcome, Pair, Preference, Review, Verdict

VALUE = {"first": 1, "tie": 0, "second": -1}


def side(review: Review) -> int | None:
    """1 when the review prefers ``a``, -1 when it prefers ``b``, 0 for a tie, ``None`` when unparsed."""
    if review.preferred is None:
        return None
    return VALUE[review.preferred] if review.order != "ba" else -VALUE[review.preferred]


def strict(reviews: Sequence[Review]) -> Outcome:
    """Only a preference that survives the swap counts (Shen, 2024, arXiv 2402.06094); everything else is a
    tie.
    """
    sides = [side(review) for review in reviews]
    if not sides or None in sides:
        return "unparsed"
    return _outcome(sides[0] if len(set(sides)) == 1 else 0)


def summed(reviews: Sequence[Review]) -> Outcome:
    """The sign of the preferences summed over the orders: a win and a tie make a win (Li et al., Cherry LLM,
    2023).
    """
    sides = [side(review) for review in reviews]
    if not sides or None in sides:
        return "unparsed"
    return _outcome(sum(s for s in sides if s is not None))


def _outcome(sign: int | None) -> Outcome:
    return "tie" if not sign else "win" if sign > 0 else "lose"


def swapped(preferred: Preference | None) -> Preference | None:
    """The same preference with the positions exchanged."""
    exchange: dict[Preference, Preference] = {"first": "second", "second": "first", "tie": "tie"}
    return None if preferred is None else exchange[preferred]


def mirrored(review: Review, order: Literal["ab", "ba"]) -> Review:
    """The review of a judge that does not see positions, as if in the other order."""
    scores = None if review.scores is None else (review.scores[1], review.scores[0])
    preferred = swapped(review.preferred)
    return replace(review, order=order, preferred=preferred, scores=scores, seconds=None, cost=None)


def verdict(pair: Pair, judge: str, reviews: Sequence[Review]) -> Verdict:
    """The verdict of one judge on one pair."""
    return Verdict(
        prompt_id=pair.prompt_id,
        a=pair.a,
        b=pair.b,
        judge=judge,
        reviews=tuple(reviews),
        strict=strict(reviews),
        summed=summed(reviews),
        test_set=pair.test_set,
        category=pair.category,
        length_a=len(pair.answer_a),
        length_b=len(pair.answer_b),
    )
