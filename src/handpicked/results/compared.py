"""What the verdicts say of every two compared arms, from the side of the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from handpicked.records import Completion, Outcome, Pair, Prompt, Review, Verdict
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.compare import compare
from handpicked.statistics.length_control import (
    by_length,
    controlled_json,
    length_controlled,
    style_controlled,
)
from handpicked.statistics.power import power
from handpicked.statistics.win_rate import (
    Rule,
    adjusted_win_rate,
    by_group,
    counts,
    has_probabilities,
    standard_error,
    worth,
)

EVERYTHING = "all"
"""The test set that holds every prompt."""

Json = dict[str, Any]


def from_first(verdict: Verdict, first: str) -> Verdict:
    """The verdict from the side of the model ``first``."""
    if verdict.a == first:
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
    judge: str,
    verdicts: Sequence[Verdict],
    order: Sequence[str],
    candidates: Sequence[str],
    arm_of: Mapping[str, str],
    pairs: Sequence[Pair] = (),
) -> Iterable[Json]:
    """Every two arms that met, over all prompts and then by test set where there are several.

    Verdicts name models; ``arm_of`` says of which arm each is a seed. The tests of all ``candidates`` are corrected together.
    The comparison over all prompts holds ``categories`` too. ``pairs`` are the answers, for the control of style.
    """
    meetings: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.judge == judge:
            meetings.setdefault((arm_of[verdict.a], arm_of[verdict.b]), []).append(verdict)
    shown: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        shown.setdefault((arm_of[pair.a], arm_of[pair.b]), []).append(pair)
    tested = [v for met, listed in meetings.items() if met[0] in candidates for v in listed]
    tests = {(test.a, test.b): test for test in compare(tested, arm_of=arm_of)}
    made = max(1, sum(test.p_value is not None for test in tests.values()))
    for a, b in sorted(meetings, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        sets = sorted({verdict.test_set for verdict in meetings[a, b]})
        texts = shown.get((a, b), [])
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            chosen = [v for v in meetings[a, b] if test_set in (EVERYTHING, v.test_set)]
            corrected = test.adjusted if test and test_set == EVERYTHING else None
            together = made if test and test_set == EVERYTHING else 1
            yield {
                "judge": judge,
                "test_set": test_set,
                "a": a,
                "b": b,
                "holm": corrected,
                **_comparison(chosen, texts, together, corrected),
                "categories": _categories(chosen, texts) if test_set == EVERYTHING else {},
            }


def _comparison(
    verdicts: Sequence[Verdict], pairs: Sequence[Pair], together: int = 1, corrected: float | None = None
) -> Json:
    """The verdicts of two arms, of all seeds together; ``seeds`` has each two models that met, where there are several.

    ``together`` are the comparisons made at once with this one, ``corrected`` is its corrected p-value.
    """
    rules: tuple[Rule, ...] = ("strict", "summed")
    met = by_models(verdicts)
    found: Json = {
        rule: {
            "counts": asdict(counts(verdicts, rule)),
            "win_rate": asdict(adjusted_win_rate(verdicts, rule)),
        }
        for rule in rules
    }
    if len(met) > 1:
        found["seeds"] = [
            {"a": a, "b": b, "win_rate": asdict(adjusted_win_rate(listed, "strict"))}
            for (a, b), listed in met.items()
        ]
    length, style = length_controlled(verdicts), style_controlled(verdicts, pairs)
    return {
        **found,
        "soft": _soft(verdicts, met),
        "length_controlled": controlled_json(length),
        "style_controlled": controlled_json(style) if pairs else None,
        "style_effects": {term: asdict(effect) for term, effect in style.effects.items()},
        "by_length": {name: asdict(rate) for name, rate in by_length(verdicts).items()},
        "power": asdict(power(verdicts, comparisons=together, corrected=corrected)),
    }


def _soft(verdicts: Sequence[Verdict], met: Mapping[tuple[str, str], Sequence[Verdict]]) -> Json | None:
    """The win rate of the judge's probabilities; ``None`` where it gives none.

    The standard error takes verdicts as independent, as AlpacaEval's does; those of several seeds are not.
    """
    if not has_probabilities(verdicts):
        return None
    return {
        "win_rate": asdict(adjusted_win_rate(verdicts, "soft")),
        "standard_error": standard_error(verdicts, "soft") if len(met) == 1 else None,
    }


def _categories(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Json:
    """The same by category, where prompts have several of them."""
    groups = by_group(verdicts, "category")
    return {name: _comparison(groups[name], pairs) for name in sorted(groups)} if len(groups) > 1 else {}


def by_models(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], list[Verdict]]:
    """The verdicts of every two models that met."""
    met: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        met.setdefault((verdict.a, verdict.b), []).append(verdict)
    return met


def worths(verdicts: Sequence[Verdict], rule: Rule = "strict") -> dict[str, float | None]:
    """What the verdicts of two models are worth to the first of them, by prompt."""
    return {v.prompt_id: worth(v, rule) for v in verdicts}


def ranking(judge: str, verdicts: Sequence[Verdict], arm_of: Mapping[str, str]) -> Json:
    """All arms by Bradley-Terry strength, strongest first; the seeds of an arm are one contestant."""
    strengths = bradley_terry([v for v in verdicts if v.judge == judge], arm_of=arm_of)
    return {
        "judge": judge,
        "arms": [{"arm": arm, "strength": asdict(found)} for arm, found in strengths.items()],
    }
