"""What the verdicts say of every two compared arms, from the side of the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from handpicked.records import Completion, Outcome, Pair, Prompt, Review, Verdict
from handpicked.results.controlled import controlled_rate
from handpicked.results.sections.comparisons import (
    ArmComparison,
    RankedArm,
    Ranking,
    RuleRate,
    SeedRate,
    SoftRate,
)
from handpicked.statistics.bradley_terry import bradley_terry
from handpicked.statistics.compare import compare
from handpicked.statistics.length_control import by_length, length_controlled, style_controlled
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
    texts_of = {prompt.prompt_id: prompt.text for prompt in prompts}
    texts = {(answer.arm, answer.prompt_id): answer.answer for answer in completions}
    met = dict.fromkeys((v.prompt_id, v.a, v.b) for v in verdicts)
    return [
        Pair(prompt, texts_of.get(prompt, ""), a, b, texts[a, prompt], texts[b, prompt])
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
) -> Iterable[ArmComparison]:
    """Every pair of arms, over all prompts and then by test set where there are several.

    Verdicts name models; ``arm_of`` says of which arm each is a seed. The tests of all ``candidates`` are
    corrected together. The comparison over all prompts holds ``categories`` too. ``pairs`` are the answers,
    for the control of style.
    """
    comparisons: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.judge == judge:
            comparisons.setdefault((arm_of[verdict.a], arm_of[verdict.b]), []).append(verdict)
    shown: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        shown.setdefault((arm_of[pair.a], arm_of[pair.b]), []).append(pair)
    tested = [v for met, listed in comparisons.items() if met[0] in candidates for v in listed]
    tests = {(test.a, test.b): test for test in compare(tested, arm_of=arm_of)}
    made = max(1, sum(test.p_value is not None for test in tests.values()))
    for a, b in sorted(comparisons, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        sets = sorted({verdict.test_set for verdict in comparisons[a, b]})
        texts = shown.get((a, b), [])
        test = tests.get((a, b))
        for test_set in [EVERYTHING, *(sets if len(sets) > 1 else [])]:
            chosen = [v for v in comparisons[a, b] if test_set in (EVERYTHING, v.test_set)]
            corrected = test.adjusted if test and test_set == EVERYTHING else None
            together = made if test and test_set == EVERYTHING else 1
            between = _Between(judge, test_set, a, b)
            found = _comparison(between, chosen, texts, together, corrected)
            yield replace(
                found, categories=_categories(between, chosen, texts) if test_set == EVERYTHING else {}
            )


@dataclass(frozen=True)
class _Between:
    """Who is compared, by which judge, on which prompts."""

    judge: str
    test_set: str
    a: str
    b: str


def _comparison(
    between: _Between,
    verdicts: Sequence[Verdict],
    pairs: Sequence[Pair],
    together: int = 1,
    corrected: float | None = None,
) -> ArmComparison:
    """The verdicts of two arms, of all seeds together.

    ``together`` are the comparisons made at once with this one, ``corrected`` is its corrected p-value.
    """
    met = by_models(verdicts)
    length, style = length_controlled(verdicts), style_controlled(verdicts, pairs)
    return ArmComparison(
        judge=between.judge,
        test_set=between.test_set,
        a=between.a,
        b=between.b,
        holm=corrected,
        strict=_rule(verdicts, "strict"),
        summed=_rule(verdicts, "summed"),
        seeds=tuple(SeedRate(a, b, adjusted_win_rate(listed, "strict")) for (a, b), listed in met.items())
        if len(met) > 1
        else (),
        soft=_soft(verdicts, met),
        length_controlled=controlled_rate(length),
        style_controlled=controlled_rate(style) if pairs else None,
        style_effects=style.effects,
        by_length=by_length(verdicts),
        power=power(verdicts, comparisons=together, corrected=corrected),
    )


def _rule(verdicts: Sequence[Verdict], rule: Rule) -> RuleRate:
    return RuleRate(counts(verdicts, rule), adjusted_win_rate(verdicts, rule))


def _soft(verdicts: Sequence[Verdict], met: Mapping[tuple[str, str], Sequence[Verdict]]) -> SoftRate | None:
    """The win rate of the judge's probabilities; ``None`` where it gives none.

    The standard error takes verdicts as independent, as AlpacaEval's does; those of several seeds are not.
    """
    if not has_probabilities(verdicts):
        return None
    error = standard_error(verdicts, "soft") if len(met) == 1 else None
    return SoftRate(adjusted_win_rate(verdicts, "soft"), error)


def _categories(
    between: _Between, verdicts: Sequence[Verdict], pairs: Sequence[Pair]
) -> dict[str, ArmComparison]:
    """The same by category, where prompts have several of them."""
    groups = by_group(verdicts, "category")
    if len(groups) < 2:
        return {}
    return {name: _comparison(between, groups[name], pairs) for name in sorted(groups)}


def by_models(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], list[Verdict]]:
    """The verdicts of every pair of models."""
    met: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        met.setdefault((verdict.a, verdict.b), []).append(verdict)
    return met


def worths(verdicts: Sequence[Verdict]) -> dict[str, float | None]:
    """What the verdicts of two models are worth to the first of them, by prompt."""
    return {v.prompt_id: worth(v, "strict") for v in verdicts}


def ranking(base: str, judge: str, verdicts: Sequence[Verdict], arm_of: Mapping[str, str]) -> Ranking:
    """All arms of a base model by Bradley-Terry strength, strongest first; the seeds of
    an arm are one contestant.
    """
    strengths = bradley_terry([v for v in verdicts if v.judge == judge], arm_of=arm_of)
    return Ranking(base, judge, tuple(RankedArm(arm, found) for arm, found in strengths.items()))
