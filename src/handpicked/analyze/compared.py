"""What the verdicts say of every two arms that met, told from the side of the arm that comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from handpicked.analyze.bradley_terry import bradley_terry
from handpicked.analyze.compare import compare
from handpicked.analyze.length_control import length_controlled
from handpicked.analyze.power import power
from handpicked.analyze.win_rate import Rule, adjusted_win_rate, counts
from handpicked.records import Outcome, Review, Verdict

EVERYTHING = "all"
"""The test set that holds every prompt."""

Json = dict[str, Any]


def from_first(verdict: Verdict, order: Sequence[str]) -> Verdict:
    """The verdict told from the side of the arm that comes first in ``order``."""
    if order.index(verdict.a) < order.index(verdict.b):
        return verdict
    turned: dict[Outcome, Outcome] = {"win": "lose", "lose": "win", "tie": "tie", "unparsed": "unparsed"}
    return replace(
        verdict,
        a=verdict.b,
        b=verdict.a,
        reviews=tuple(_other_order(review) for review in reversed(verdict.reviews)),
        strict=turned[verdict.strict],
        summed=turned[verdict.summed],
        length_a=verdict.length_b,
        length_b=verdict.length_a,
    )


def _other_order(review: Review) -> Review:
    other: dict[str, Literal["ab", "ba", "unknown"]] = {"ab": "ba", "ba": "ab"}
    return replace(review, order=other.get(review.order, "unknown"))


def compare_arms(judge: str, verdicts: Sequence[Verdict], order: Sequence[str]) -> Iterable[Json]:
    """Every two arms that met, over all prompts and then by test set where there are several."""
    mine = [verdict for verdict in verdicts if verdict.judge == judge]
    met = {(verdict.a, verdict.b) for verdict in mine}
    tests = {(test.a, test.b): test for test in compare([v for v in mine if v.a == order[0]])}
    for a, b in sorted(met, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        pairs = [verdict for verdict in mine if (verdict.a, verdict.b) == (a, b)]
        sets = sorted({verdict.test_set for verdict in pairs})
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            chosen = [v for v in pairs if test_set in (EVERYTHING, v.test_set)]
            adjusted = test.adjusted if test and test_set == EVERYTHING else None
            yield {
                "judge": judge,
                "test_set": test_set,
                "a": a,
                "b": b,
                "holm": adjusted,
                **_comparison(chosen),
            }


def _comparison(verdicts: Sequence[Verdict]) -> Json:
    rules: tuple[Rule, ...] = ("strict", "summed")
    found: Json = {
        rule: {
            "counts": asdict(counts(verdicts, rule)),
            "win_rate": asdict(adjusted_win_rate(verdicts, rule)),
        }
        for rule in rules
    }
    controlled = length_controlled(verdicts).win_rate
    found["length_controlled"] = asdict(controlled) if controlled.value is not None else None
    return {**found, "power": asdict(power(verdicts))}


def all_met(judge: str, verdicts: Sequence[Verdict], candidate: str) -> bool:
    """Whether arms met beside the candidate, so that there is more to tell than the candidate's comparisons."""
    return any(verdict.judge == judge and verdict.a != candidate for verdict in verdicts)


def ranking(judge: str, verdicts: Sequence[Verdict]) -> Json:
    """All arms by Bradley-Terry strength, strongest first."""
    strengths = bradley_terry([verdict for verdict in verdicts if verdict.judge == judge])
    return {
        "judge": judge,
        "arms": [{"arm": arm, "strength": asdict(found)} for arm, found in strengths.items()],
    }
