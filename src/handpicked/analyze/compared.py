"""What the verdicts say of every two arms that met, told from the side of the arm that comes first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from handpicked.analyze.bradley_terry import bradley_terry
from handpicked.analyze.compare import compare
from handpicked.analyze.length_control import by_length, length_controlled, style_controlled
from handpicked.analyze.power import power
from handpicked.analyze.win_rate import Rule, adjusted_win_rate, by_group, counts
from handpicked.records import Completion, Outcome, Pair, Prompt, Review, Verdict

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


def judged_pairs(
    verdicts: Sequence[Verdict], prompts: Sequence[Prompt], completions: Sequence[Completion]
) -> list[Pair]:
    """What was judged, as far as both answers are known: the texts that style is counted in."""
    asked = {prompt.prompt_id: prompt.text for prompt in prompts}
    texts = {(answer.arm, answer.prompt_id): answer.text for answer in completions}
    met = dict.fromkeys((v.prompt_id, v.a, v.b) for v in verdicts)
    return [
        Pair(prompt, asked.get(prompt, ""), a, b, texts[a, prompt], texts[b, prompt])
        for prompt, a, b in met
        if (a, prompt) in texts and (b, prompt) in texts
    ]


def compare_arms(
    judge: str, verdicts: Sequence[Verdict], order: Sequence[str], pairs: Sequence[Pair] = ()
) -> Iterable[Json]:
    """Every two arms that met, over all prompts and then by test set where there are several.

    The comparison over all prompts holds ``categories`` too. ``pairs`` are the answers, for the control of style.
    """
    mine = [verdict for verdict in verdicts if verdict.judge == judge]
    met = {(verdict.a, verdict.b) for verdict in mine}
    tests = {(test.a, test.b): test for test in compare([v for v in mine if v.a == order[0]])}
    for a, b in sorted(met, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        met_here = [verdict for verdict in mine if (verdict.a, verdict.b) == (a, b)]
        sets = sorted({verdict.test_set for verdict in met_here})
        shown = [pair for pair in pairs if (pair.a, pair.b) == (a, b)]
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            chosen = [v for v in met_here if test_set in (EVERYTHING, v.test_set)]
            adjusted = test.adjusted if test and test_set == EVERYTHING else None
            yield {
                "judge": judge,
                "test_set": test_set,
                "a": a,
                "b": b,
                "holm": adjusted,
                **_comparison(chosen, shown),
                "categories": _categories(chosen, shown) if test_set == EVERYTHING else {},
            }


def _comparison(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Json:
    rules: tuple[Rule, ...] = ("strict", "summed")
    found: Json = {
        rule: {
            "counts": asdict(counts(verdicts, rule)),
            "win_rate": asdict(adjusted_win_rate(verdicts, rule)),
        }
        for rule in rules
    }
    length, style = length_controlled(verdicts), style_controlled(verdicts, pairs)
    return {
        **found,
        "length_controlled": asdict(length.win_rate) if length.win_rate.value is not None else None,
        "style_controlled": asdict(style.win_rate) if style.win_rate.value is not None else None,
        "style_effects": {term: asdict(effect) for term, effect in style.effects.items()},
        "by_length": {name: asdict(rate) for name, rate in by_length(verdicts).items()},
        "power": asdict(power(verdicts)),
    }


def _categories(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Json:
    """The same by category, where prompts have several of them."""
    groups = by_group(verdicts, "category")
    return {name: _comparison(groups[name], pairs) for name in sorted(groups)} if len(groups) > 1 else {}


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
