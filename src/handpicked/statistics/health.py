"""The health of a judge, from its own verdicts: position bias, contradictions, unparsed replies.

Position bias and its test by swapping: Zheng et al. (2023), "Judging LLM-as-a-judge"; Wang et al. (2023),
"Large language models are not fair evaluators".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.records import Estimate, Review, Verdict
from handpicked.statistics import estimates

FIRST_LOW, FIRST_HIGH = 0.25, 0.75
COIN = 0.5
MOST_UNPARSED = 0.10
SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Health:
    """A judge's habits. Every share is 0 to 1 with its interval over prompts.

    ``first_position``: of the reviews that name a winner, how many name the first. ``contradictions``: of the
    pairs judged in both orders, how many name a different winner in each. ``contradictions_decided``: the
    same of the pairs in which both reviews name a winner; a coin has 0.5. ``ties`` and ``unparsed`` are
    shares of reviews. ``longer``: of the winners under the summed rule, how many are the longer answer.
    ``seconds`` is the mean time of a review, ``cost`` the sum in US dollars where it is known.
    ``name`` is the judge's. ``position_blind``: it sees no order, so that both reviews of a pair are one.
    ``reasons`` says why a judge is not healthy.
    """

    name: str
    pairs: int
    first_position: Estimate
    contradictions: Estimate
    contradictions_decided: Estimate
    ties: Estimate
    unparsed: Estimate
    longer: Estimate
    truncated: int
    seconds: float | None
    cost: float | None
    unparsed_reasons: dict[str, int]
    unparsed_samples: tuple[str, ...]
    position_blind: bool
    healthy: bool
    reasons: tuple[str, ...]


def health(verdicts: Sequence[Verdict]) -> Health:
    """The health of the one judge that gave these verdicts.

    The floor, below which no winner may be named: first-position share with its whole interval outside 25% to
    75%; contradictions that cannot be distinguished from a coin's 50% (the interval's upper end reaches it);
    more than 10% of the reviews unparsed; or no review that names a winner. Verdicts replayed from one order
    only cannot be checked for position, and are not healthy for that reason.
    """
    reviews = [(v.prompt_id, r) for v in verdicts for r in v.reviews]
    parsed = [(p, r) for p, r in reviews if r.preferred is not None]
    placed = [(p, r.preferred == "first") for p, r in parsed if r.preferred != "tie" and r.order != "unknown"]
    both = [(v.prompt_id, v.reviews[0], v.reviews[1]) for v in verdicts if _both_orders(v)]
    decided = [(p, x.preferred == y.preferred) for p, x, y in both if "tie" not in (x.preferred, y.preferred)]
    first = estimates.share([p for p, _ in placed], [float(h) for _, h in placed])
    contradicting = [float(x.preferred == y.preferred != "tie") for _, x, y in both]
    unparsed = estimates.share([p for p, _ in reviews], [float(r.preferred is None) for _, r in reviews])
    decided_share = estimates.share([p for p, _ in decided], [float(c) for _, c in decided])
    blind = bool(both) and all(_one_reading(x, y) for _, x, y in both)
    reasons = _complaints(first, decided_share, unparsed, blind)
    failures = [r for _, r in reviews if r.preferred is None]
    times = [r.seconds for _, r in reviews if r.seconds is not None]
    costs = [r.cost for _, r in reviews if r.cost is not None]
    return Health(
        name=verdicts[0].judge if verdicts else "",
        pairs=len(verdicts),
        first_position=first,
        contradictions=estimates.share(
            [p for p, *_ in both], contradicting, missing=len(verdicts) - len(both)
        ),
        contradictions_decided=decided_share,
        ties=estimates.share([p for p, _ in parsed], [float(r.preferred == "tie") for _, r in parsed]),
        unparsed=unparsed,
        longer=prefers_longer(verdicts),
        truncated=sum(r.truncated for _, r in reviews),
        seconds=sum(times) / len(times) if times else None,
        cost=sum(costs) if costs else None,
        unparsed_reasons=dict(Counter(_kind(r) for r in failures).most_common()),
        unparsed_samples=tuple(r.raw[:300] for r in failures if r.raw)[:SAMPLES],
        position_blind=blind,
        healthy=not reasons,
        reasons=tuple(reasons),
    )


def prefers_longer(verdicts: Sequence[Verdict]) -> Estimate:
    """Of the pairs with a winner (summed rule) and two lengths, how many were won by the longer answer."""
    won = [v for v in verdicts if v.summed in ("win", "lose") and v.length_a != v.length_b]
    longer = [float((v.length_a > v.length_b) == (v.summed == "win")) for v in won]
    return estimates.share([v.prompt_id for v in won], longer, missing=len(verdicts) - len(won))


def _both_orders(verdict: Verdict) -> bool:
    return {r.order for r in verdict.reviews if r.preferred is not None} == {"ab", "ba"}


def _one_reading(x: Review, y: Review) -> bool:
    """The same raw text, and the same answer preferred: what a judge that names positions cannot do without a
    tie.
    """
    pair = (x.preferred, y.preferred)
    return x.raw == y.raw and pair in (("first", "second"), ("second", "first"), ("tie", "tie"))


def _complaints(first: Estimate, contradictions: Estimate, unparsed: Estimate, blind: bool) -> list[str]:
    found = []
    if unparsed.value is not None and unparsed.value > MOST_UNPARSED:
        found.append(
            f"{unparsed.value:.0%} of its replies could not be read (at most {MOST_UNPARSED:.0%} may)"
        )
    if first.value is None or first.low is None or first.high is None:
        found.append("no review names a winner in a known position, so its position bias cannot be checked")
        return found
    if blind:
        return found
    if first.high < FIRST_LOW or first.low > FIRST_HIGH:
        found.append(
            f"it prefers the first answer in {first.value:.1%} of the reviews that name a winner "
            f"(95% interval {first.low:.1%} to {first.high:.1%}; {FIRST_LOW:.0%} to "
            f"{FIRST_HIGH:.0%} is tolerated)"
        )
    if contradictions.value is None or contradictions.high is None:
        found.append("no pair has a winner in both orders, so its contradictions cannot be counted")
    elif contradictions.high >= COIN:
        found.append(
            "it contradicts itself when the order is swapped in "
            f"{contradictions.value:.1%} of {contradictions.n} pairs "
            f"(95% interval up to {contradictions.high:.1%}); a coin does so in 50%"
        )
    return found


def _kind(review: Review) -> str:
    """The reason without the excerpt, so that like failures are counted together."""
    return (review.reason or "no reason given").split(": ")[0]
