"""Prompts, the answers to them, pairs of answers, and what judges say of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from handpicked.records.message import Message, prompt_text
from handpicked.records.response_parts import thought_and_answer

Outcome = Literal["win", "tie", "lose", "unparsed"]

Preference = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One evaluation prompt. ``reference`` is a known good answer or ``None``; ``test_set`` and
    ``category`` group results.
    """

    prompt_id: str
    messages: tuple[Message, ...]
    test_set: str
    category: str | None = None
    reference: str | None = None

    @property
    def text(self) -> str:
        """The prompt as one text: its turns joined by blank lines (roles are named when there are several)."""
        return prompt_text(self.messages)


@dataclass(frozen=True, slots=True)
class Completion:
    """One arm's answer to one prompt. ``finished`` is false when generation stopped at its token limit."""

    arm: str
    prompt_id: str
    text: str
    tokens: int | None
    finished: bool

    @property
    def answer(self) -> str:
        """The text without the thought at its start: what is judged."""
        return thought_and_answer(self.text)[1]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt. Outcomes are always from the side of ``a``."""

    prompt_id: str
    prompt: str
    a: str
    b: str
    answer_a: str
    answer_b: str
    test_set: str = ""
    category: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """One judgement of a pair in one order.

    ``order`` is ``ab`` when the answer of ``a`` was shown first, ``ba`` when it was shown second; ``unknown``
    is a stored judgement whose order was not recorded: it is shown with ``a`` first and left out of
    statistics of position. ``preferred`` is the *position* preferred, ``None`` when the reply could not be
    parsed, with the reason. ``scores`` are (first, second) where the judge gives scores. ``raw`` is the
    reply, untouched. ``truncated`` says that answers were cut to the judge's limit before it saw them;
    ``lost`` that no reply came for a reason that may pass.
    """

    order: Literal["ab", "ba", "unknown"]
    preferred: Preference | None
    raw: str
    scores: tuple[float, float] | None = None
    reason: str | None = None
    seconds: float | None = None
    cost: float | None = None
    truncated: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge on one pair in both orders, from the side of ``a``.

    ``strict``: only a preference that survives the swap counts, else tie. ``summed``: the sign of the
    preferences summed over both orders (a preference counts 1, a tie half to each; score points are not
    summed). Either is ``unparsed`` when one order could not be parsed. A replayed judgement that was made in
    one order only has one review; its outcome is then that review's under both rules. Lengths are in
    characters.
    """

    prompt_id: str
    a: str
    b: str
    judge: str
    reviews: tuple[Review, ...]
    strict: Outcome
    summed: Outcome
    test_set: str = ""
    category: str | None = None
    length_a: int = 0
    length_b: int = 0

    @property
    def lost(self) -> bool:
        """Whether a review has no reply, for a reason that may pass."""
        return any(review.lost for review in self.reviews)
