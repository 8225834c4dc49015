"""What the verdicts say of every two arms that met, told from the side of the arm that comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from handpicked.analyze import seeds
from handpicked.analyze.bradley_terry import bradley_terry
from handpicked.analyze.compare import compare
from handpicked.analyze.length_control import length_controlled
from handpicked.analyze.power import power
from handpicked.analyze.win_rate import Rule, adjusted_win_rate, counts, worth
from handpicked.records import Estimate, Outcome, Review, Verdict

EVERYTHING = "all"
"""The test set that holds every prompt."""

Json = dict[str, Any]


def from_first(verdict: Verdict, place: Mapping[str, tuple[int, int]]) -> Verdict:
    """The verdict told from the side of the model that comes first by ``place``."""
    if place[verdict.a] < place[verdict.b]:
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


def compare_arms(
    judge: str,
    verdicts: Sequence[Verdict],
    order: Sequence[str],
    candidates: Sequence[str],
    arm_of: Mapping[str, str],
) -> Iterable[Json]:
    """Every two arms that met, over all prompts and then by test set where there are several.

    Verdicts name models; ``arm_of`` says of which arm each is a seed. The tests of all ``candidates`` are corrected together.
    """
    meetings: dict[tuple[str, str], dict[tuple[str, str], list[Verdict]]] = {}
    for verdict in verdicts:
        if verdict.judge == judge:
            pair = arm_of[verdict.a], arm_of[verdict.b]
            meetings.setdefault(pair, {}).setdefault((verdict.a, verdict.b), []).append(verdict)
    pooled = {
        pair: [
            replace(v, a=pair[0], b=pair[1]) if (v.a, v.b) != pair else v
            for listed in met.values()
            for v in listed
        ]
        for pair, met in meetings.items()
    }
    tested = [v for (a, _), listed in pooled.items() if a in candidates for v in listed]
    tests = {(test.a, test.b): test for test in compare(tested)}
    for a, b in sorted(meetings, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        sets = sorted({verdict.test_set for verdict in pooled[a, b]})
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            met = {
                members: [v for v in listed if test_set in (EVERYTHING, v.test_set)]
                for members, listed in meetings[a, b].items()
            }
            yield {
                "judge": judge,
                "test_set": test_set,
                "a": a,
                "b": b,
                "holm": test.adjusted if test and test_set == EVERYTHING else None,
                **_comparison([v for v in pooled[a, b] if test_set in (EVERYTHING, v.test_set)], met),
            }


def _comparison(verdicts: Sequence[Verdict], met: Mapping[tuple[str, str], Sequence[Verdict]]) -> Json:
    """The pooled verdicts of two arms; ``met`` has those of each two models that met."""
    rules: tuple[Rule, ...] = ("strict", "summed")
    found: Json = {
        rule: {
            "counts": asdict(counts(verdicts, rule)),
            "win_rate": asdict(_win_rate(verdicts, met, rule)),
        }
        for rule in rules
    }
    if len(met) > 1:
        found["seeds"] = [
            {"a": a, "b": b, "win_rate": asdict(adjusted_win_rate(listed, "strict"))}
            for (a, b), listed in met.items()
        ]
    controlled = length_controlled(verdicts).win_rate
    found["length_controlled"] = asdict(controlled) if controlled.value is not None else None
    return {**found, "power": asdict(power(verdicts))}


def _win_rate(
    verdicts: Sequence[Verdict], met: Mapping[tuple[str, str], Sequence[Verdict]], rule: Rule
) -> Estimate:
    """The adjusted win rate; over prompts and seeds where an arm was trained several times."""
    if len(met) == 1:
        return adjusted_win_rate(verdicts, rule)
    return seeds.mean([worths(listed, rule) for listed in met.values()], share=True)


def worths(verdicts: Sequence[Verdict], rule: Rule = "strict") -> dict[str, float | None]:
    """What the verdicts of two models are worth to the first of them, by prompt."""
    return {v.prompt_id: worth(v, rule) for v in verdicts}


def ranking(judge: str, verdicts: Sequence[Verdict], arm_of: Mapping[str, str]) -> Json:
    """All arms by Bradley-Terry strength, strongest first; the seeds of an arm are one contestant."""
    mine = [replace(v, a=arm_of[v.a], b=arm_of[v.b]) for v in verdicts if v.judge == judge]
    strengths = bradley_terry(mine)
    return {
        "judge": judge,
        "arms": [{"arm": arm, "strength": asdict(found)} for arm, found in strengths.items()],
    }
