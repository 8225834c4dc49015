"""The answer of an experiment in one sentence, how sure it is, and when no winner may be named.

A rival is *beaten* when the whole 95% interval of the candidate's win rate lies above 50%, *lost to* when it
lies below, and in either case only if that stands when it is corrected for making several comparisons at once
(Holm); else it is *undecided*. Nothing is decided with fewer than ``MIN_PAIRS`` judged pairs or by a judge
that is not healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from handpicked.records import Estimate
from handpicked.results.schema import Answer, AnswerKind
from handpicked.results.sections.arms import ArmSection
from handpicked.results.sections.comparisons import ArmComparison
from handpicked.statistics.compare import LEVEL, MIN_PAIRS
from handpicked.statistics.estimates import lies_above, lies_below
from handpicked.statistics.health import Health

Decision = Literal["beaten", "lost", "undecided", "thin"]
Groups = Mapping[Decision, Sequence[ArmComparison]]

RANDOM = ("random",)
"""Selectors that ignore quality: the arms that a method must beat to be useful."""


def decide(comparison: ArmComparison) -> Decision:
    """What one comparison says about its rival ``b``, by the strict rule."""
    rate = comparison.strict.win_rate
    if rate.value is None or rate.n < MIN_PAIRS:
        return "thin"
    if not _excludes_half(comparison) or not _stands(comparison):
        return "undecided"
    return "beaten" if lies_above(rate, 0.5) else "lost"


def _excludes_half(comparison: ArmComparison) -> bool:
    rate = comparison.strict.win_rate
    return lies_above(rate, 0.5) or lies_below(rate, 0.5)


def _stands(comparison: ArmComparison) -> bool:
    """Whether it is significant when corrected; only comparisons over all prompts are
    tested, the others show detail.
    """
    return comparison.test_set != "all" or (comparison.holm is not None and comparison.holm < LEVEL)


def answers(
    candidates: Sequence[str],
    arms: Sequence[ArmSection],
    comparisons: Sequence[ArmComparison],
    judge: Health | None,
) -> Answer:
    """``answer`` for each base model, put together: with several, every part says which model it is about."""
    base = {arm.name: arm.base for arm in arms}
    found = [
        (
            base[candidate],
            answer(
                candidate,
                [arm for arm in arms if arm.base == base[candidate]],
                [item for item in comparisons if item.a == candidate],
                judge,
            ),
        )
        for candidate in candidates
    ]
    if len(found) == 1:
        return found[0][1]
    kinds = {part.kind for _, part in found}
    kind: AnswerKind = kinds.pop() if len(kinds) == 1 else "mixed"
    return Answer(
        kind,
        headline=_on_each([(name, part.headline) for name, part in found]),
        sentence=_on_each([(name, part.sentence) for name, part in found]),
        certainty=_on_each([(name, part.certainty) for name, part in found]),
        by_loss=_on_each([(name, part.by_loss) for name, part in found]),
    )


def _on_each(parts: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"On {name}: {text}" for name, text in parts if text)


def answer(
    candidate: str, arms: Sequence[ArmSection], comparisons: Sequence[ArmComparison], judge: Health | None
) -> Answer:
    """The answer in words; ``comparisons`` are the candidate's over all prompts by one
    judge, of health ``judge``.
    """
    by_loss = _by_loss(candidate, arms)
    if not comparisons or judge is None:
        return _without_verdicts(by_loss)
    groups: dict[Decision, list[ArmComparison]] = {"beaten": [], "lost": [], "undecided": [], "thin": []}
    for comparison in comparisons:
        groups[decide(comparison)].append(comparison)
    kind = _kind(groups)
    headline = _statement(candidate, groups, lambda item: arm_name(item.b, arms))
    sentence = _statement(candidate, groups, lambda item: _numbers(item, arms))
    if not judge.healthy:
        kind, headline = "refused", f"No winner is named: the judge {judge.name} cannot be trusted."
        why = f"{'; '.join(judge.reasons)}. Its verdicts are shown, but they decide nothing."
        sentence = f"{headline[:-1]}: {why}"
    elif len(groups["thin"]) == len(comparisons):
        most = max(item.strict.win_rate.n for item in comparisons)
        kind = "refused"
        headline = f"No winner is named: {most} judged {'pair' if most == 1 else 'pairs'} cannot decide it."
        sentence = f"{headline[:-1]}; at least {MIN_PAIRS} per comparison are needed."
    certainty = _certainty(comparisons, judge, arms)
    return Answer(kind, headline, sentence, certainty, by_loss.sentence if by_loss else "")


def _kind(groups: Groups) -> AnswerKind:
    if groups["beaten"]:
        return "mixed" if groups["lost"] or groups["undecided"] or groups["thin"] else "clear"
    return "lost" if groups["lost"] else "undecided"


def _statement(candidate: str, groups: Groups, say: Callable[[ArmComparison], str]) -> str:
    """The outcome against each rival; ``say`` names one of them, with or without its numbers."""
    phrases: tuple[tuple[Decision, str, str], ...] = (
        ("beaten", "beats", "and"),
        ("lost", "loses to", "and"),
        ("undecided", "is not shown to differ from", "or"),
        ("thin", "has too few judged pairs against", "and"),
    )
    parts = [
        f"{verb} {join([say(i) for i in groups[key]], word)}" for key, verb, word in phrases if groups[key]
    ]
    return f"{candidate} {'; it '.join(parts)}."


def _numbers(comparison: ArmComparison, arms: Sequence[ArmSection]) -> str:
    rate = comparison.strict.win_rate
    name = arm_name(comparison.b, arms)
    if rate.value is None or rate.low is None or rate.high is None:
        return f"{name} (n = 0)"
    return (
        f"{name} (win rate {rate.value:.0%}, 95% {100 * rate.low:.0f} to {100 * rate.high:.0f}, n = {rate.n})"
    )


def _certainty(comparisons: Sequence[ArmComparison], judge: Health, arms: Sequence[ArmSection]) -> str:
    pairs = [item.strict.win_rate.n for item in comparisons]
    n = str(pairs[0]) if min(pairs) == max(pairs) else f"{min(pairs)} to {max(pairs)}"
    both = judge.contradictions.n > 0
    swap = " in both orders; only a verdict that survives the swap counts" if both else ""
    judged = "judged pairs" if any(arm.seeds for arm in arms) else "prompts"
    lines = [f"{n} {judged} per comparison, judged by {judge.name}{swap}."]
    detectable = [item.power.detectable for item in comparisons if item.power.detectable]
    if detectable:
        points = f"{100 * max(detectable):.0f} points from 50%"
        corrected = ", correction for several comparisons included" if len(comparisons) > 1 else ""
        lines.append(
            f"With this many prompts, a true win rate {points} is found four times out of five{corrected}."
        )
    lines += _beyond_power(comparisons, arms)
    lines.append("Each interval is 95% on its own.")
    if len(comparisons) > 1:
        lines.append(_corrected(comparisons, arms))
    if any(arm.training for arm in arms):
        lines.append(_trainings(arms))
    return " ".join(line for line in lines if line)


def _beyond_power(comparisons: Sequence[ArmComparison], arms: Sequence[ArmSection]) -> list[str]:
    """The rivals against which not even a one-sided result would be found, and why, for
    the first reason among them.
    """
    blind = [item for item in comparisons if item.power.detectable is None and item.power.reason]
    if not blind:
        return []
    names = join([arm_name(item.b, arms) for item in blind], "or")
    return [f"Against {names} no win rate is found four times out of five: {blind[0].power.reason}."]


def _trainings(arms: Sequence[ArmSection]) -> str:
    """The sentence on how often each arm was trained, and what that means for the intervals."""
    several = [f"{arm.name} ({len(arm.seeds)} seeds)" for arm in arms if arm.seeds]
    if not several:
        return (
            "Each arm was trained once: the intervals cover the choice of prompts, not of the training seed."
        )
    once = [arm for arm in arms if arm.training and not arm.seeds]
    rest = " Every other arm was trained once, whose seed they leave out." if once else ""
    few = " Two seeds say little about others." if any(len(arm.seeds) == 2 for arm in arms) else ""
    return f"The intervals cover prompts and training seeds of {join(several)}.{rest}{few}"


def _corrected(comparisons: Sequence[ArmComparison], arms: Sequence[ArmSection]) -> str:
    """The sentence on the correction for several comparisons, and on what it overturned."""
    rule = f"Decisions are corrected for making {len(comparisons)} comparisons at once (Holm)."
    undone = [
        item
        for item in comparisons
        if decide(item) == "undecided" and _excludes_half(item) and not _stands(item)
    ]
    if not undone:
        return rule if any(decide(item) in ("beaten", "lost") for item in comparisons) else ""
    names = join([arm_name(item.b, arms) for item in undone])
    return (
        f"Alone, the interval against {names} excludes 50%; corrected for making "
        f"{len(comparisons)} comparisons at once "
        "(Holm) it does not."
    )


@dataclass(frozen=True)
class _ByLoss:
    """The sentence on the loss on the references."""

    kind: AnswerKind
    sentence: str


def _by_loss(candidate: str, arms: Sequence[ArmSection]) -> _ByLoss | None:
    """The outcome by loss on the references; ``None`` where nothing can be compared."""
    rivals = [arm for arm in arms if arm.name != candidate]
    above = {arm.name: arm.loss_above_candidate for arm in rivals if arm.loss_above_candidate}
    known = {name: found for name, found in above.items() if found.low is not None}
    if not known:
        return None
    better = [name for name, found in known.items() if lies_above(found, 0)]
    worse = [name for name, found in known.items() if lies_below(found, 0)]
    rest = [name for name in known if name not in better and name not in worse]
    phrases = (
        (better, "predicts the references better than", "and"),
        (worse, "predicts them worse than" if better else "predicts the references worse than", "and"),
        (rest, "is not shown to differ from", "or"),
    )
    parts = [
        f"{verb} {join([_loss_numbers(name, known[name], arms) for name in found], word)}"
        for found, verb, word in phrases
        if found
    ]
    kind: AnswerKind = (
        "clear" if len(better) == len(known) else "mixed" if better else "lost" if worse else "undecided"
    )
    return _ByLoss(kind, f"By loss, {candidate} {'; it '.join(parts)}.")


def _without_verdicts(by_loss: _ByLoss | None) -> Answer:
    """The answer where no pairs were judged: by the losses alone, and only on what they measure."""
    if by_loss is None:
        nothing = "Nothing was compared: there are no verdicts and no held-out losses."
        return Answer("refused", nothing, nothing, "", "")
    certainty = "No pairs were judged: loss says how well the references are predicted, not which answers people prefer."
    return Answer(by_loss.kind, by_loss.sentence, by_loss.sentence, certainty, "")


def _loss_numbers(name: str, above: Estimate, arms: Sequence[ArmSection]) -> str:
    """``the base model (0.263 lower)``: how far the candidate's loss lies from that of ``name``."""
    apart = above.value or 0.0
    way = "lower" if apart > 0 else "higher"
    return f"{arm_name(name, arms)} ({abs(apart):.3f} {way})"


def arm_name(name: str, arms: Sequence[ArmSection]) -> str:
    """An arm as a reader would say it."""
    by = next((arm.by for arm in arms if arm.name == name), "")
    return {"none": "the base model", "full": "the full pool"}.get(by, name)


def join(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"
