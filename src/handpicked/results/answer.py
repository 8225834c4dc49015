"""The answer of an experiment in one sentence, how sure it is, and when no winner may be named.

A rival is *beaten* when the whole 95% interval of the candidate's win rate lies above 50%, *lost to* when it lies below,
and in either case only if that stands when it is corrected for making several comparisons at once (Holm); else it is
*undecided*. Nothing is decided with fewer than ``MIN_PAIRS`` judged pairs or by a judge that is not healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from handpicked.statistics.compare import LEVEL, MIN_PAIRS

Decision = Literal["beaten", "lost", "undecided", "thin"]
Json = Mapping[str, Any]
Groups = Mapping[Decision, Sequence[Json]]

RANDOM = ("random",)
"""Selectors that choose blindly: the arms that a method must beat to be worth its name."""


def decide(comparison: Json) -> Decision:
    """What one comparison says about its rival ``b``, by the strict rule."""
    rate = comparison["strict"]["win_rate"]
    if rate["value"] is None or rate["n"] < MIN_PAIRS:
        return "thin"
    if not _excludes_half(comparison) or not _stands(comparison):
        return "undecided"
    return "beaten" if rate["low"] > 0.5 else "lost"


def _excludes_half(comparison: Json) -> bool:
    rate = comparison["strict"]["win_rate"]
    return bool(rate["low"] > 0.5 or rate["high"] < 0.5)


def _stands(comparison: Json) -> bool:
    """Whether it is significant when corrected; only comparisons over all prompts are tested, the others show detail."""
    return comparison["test_set"] != "all" or (comparison["holm"] is not None and comparison["holm"] < LEVEL)


def answers(
    candidates: Sequence[str], arms: Sequence[Json], comparisons: Sequence[Json], judge: Json | None
) -> dict[str, str]:
    """``answer`` for each base model, put together: with several, every part says which model it is about."""
    base = {arm["name"]: arm["base"] for arm in arms}
    found = [
        (
            base[candidate],
            answer(
                candidate,
                [arm for arm in arms if arm["base"] == base[candidate]],
                [item for item in comparisons if item["a"] == candidate],
                judge,
            ),
        )
        for candidate in candidates
    ]
    if len(found) == 1:
        return found[0][1]
    kinds = {part["kind"] for _, part in found}
    together = {"kind": kinds.pop() if len(kinds) == 1 else "mixed"}
    for key in ("headline", "sentence", "certainty", "by_loss"):
        said = [f"On {name}: {part[key]}" for name, part in found if part[key]]
        together[key] = " ".join(said)
    return together


def answer(
    candidate: str, arms: Sequence[Json], comparisons: Sequence[Json], judge: Json | None
) -> dict[str, str]:
    """The answer in words.

    ``comparisons`` are those of the candidate over all prompts by one judge, whose health ``judge`` tells.

    ``kind``: clear (every rival is beaten), mixed, lost, undecided, or refused (no winner may be named).
    ``headline``: the answer without numbers. ``sentence``: the answer with them. ``certainty``: what the numbers cover
    and what they do not. ``by_loss``: what the loss on the references says, empty where there is none.
    """
    by_loss = _by_loss(candidate, arms)
    if not comparisons or judge is None:
        return {**_without_verdicts(by_loss), "by_loss": ""}
    found = {"certainty": _certainty(comparisons, judge, arms), "by_loss": by_loss["sentence"]}
    groups: dict[Decision, list[Json]] = {"beaten": [], "lost": [], "undecided": [], "thin": []}
    for comparison in comparisons:
        groups[decide(comparison)].append(comparison)
    if not judge["healthy"]:
        headline = f"No winner is named: the judge {judge['name']} cannot be trusted."
        why = f"{'; '.join(judge['reasons'])}. Its verdicts are shown, but they decide nothing."
        return {"kind": "refused", "headline": headline, "sentence": f"{headline[:-1]}: {why}", **found}
    if len(groups["thin"]) == len(comparisons):
        most = max(item["strict"]["win_rate"]["n"] for item in comparisons)
        headline = f"No winner is named: {most} judged {'pair' if most == 1 else 'pairs'} cannot decide it."
        sentence = f"{headline[:-1]}; at least {MIN_PAIRS} a comparison are needed."
        return {"kind": "refused", "headline": headline, "sentence": sentence, **found}
    return {
        "kind": _kind(groups),
        "headline": _statement(candidate, groups, lambda item: arm_name(item["b"], arms)),
        "sentence": _statement(candidate, groups, lambda item: _numbers(item, arms)),
        **found,
    }


def _kind(groups: Groups) -> str:
    if groups["beaten"]:
        return "mixed" if groups["lost"] or groups["undecided"] or groups["thin"] else "clear"
    return "lost" if groups["lost"] else "undecided"


def _statement(candidate: str, groups: Groups, say: Callable[[Json], str]) -> str:
    """What became of the rivals; ``say`` names one of them, with or without its numbers."""
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


def _numbers(comparison: Json, arms: Sequence[Json]) -> str:
    rate = comparison["strict"]["win_rate"]
    name = arm_name(comparison["b"], arms)
    if rate["value"] is None:
        return f"{name} (n = 0)"
    return f"{name} (win rate {rate['value']:.0%}, 95% {100 * rate['low']:.0f} to {100 * rate['high']:.0f}, n = {rate['n']})"


def _certainty(comparisons: Sequence[Json], judge: Json, arms: Sequence[Json]) -> str:
    pairs = [item["strict"]["win_rate"]["n"] for item in comparisons]
    n = str(pairs[0]) if min(pairs) == max(pairs) else f"{min(pairs)} to {max(pairs)}"
    both = judge["contradictions"]["n"] > 0
    swap = " in both orders; only a verdict that survives the swap counts" if both else ""
    judged = "judged pairs" if any(arm["seeds"] for arm in arms) else "prompts"
    lines = [f"{n} {judged} a comparison, judged by {judge['name']}{swap}."]
    detectable = [item["power"]["detectable"] for item in comparisons if item["power"]["detectable"]]
    if detectable:
        points = f"{100 * max(detectable):.0f} points from 50%"
        corrected = ", correction for several comparisons included" if len(comparisons) > 1 else ""
        lines.append(
            f"With so many prompts, a true win rate {points} is found four times of five{corrected}."
        )
    lines += _beyond_power(comparisons, arms)
    lines.append("Each interval is 95% by itself.")
    if len(comparisons) > 1:
        lines.append(_corrected(comparisons, arms))
    if any(arm["training"] for arm in arms):
        lines.append(_trainings(arms))
    return " ".join(line for line in lines if line)


def _beyond_power(comparisons: Sequence[Json], arms: Sequence[Json]) -> list[str]:
    """The rivals against which not even a one-sided result would be found, and why, for the first reason among them."""
    blind = [item for item in comparisons if item["power"]["detectable"] is None and item["power"]["reason"]]
    if not blind:
        return []
    names = join([arm_name(item["b"], arms) for item in blind], "or")
    return [f"Against {names} no win rate is found four times of five: {blind[0]['power']['reason']}."]


def _trainings(arms: Sequence[Json]) -> str:
    """How often each arm was trained, and what that means for the intervals."""
    several = [f"{arm['name']} ({len(arm['seeds'])} seeds)" for arm in arms if arm["seeds"]]
    if not several:
        return (
            "Each arm was trained once: the intervals cover the choice of prompts, not of the training seed."
        )
    once = [arm for arm in arms if arm["training"] and not arm["seeds"]]
    rest = " Every other arm was trained once, whose seed they leave out." if once else ""
    few = " Two seeds say little about others." if any(len(arm["seeds"]) == 2 for arm in arms) else ""
    return f"The intervals cover prompts and training seeds of {join(several)}.{rest}{few}"


def _corrected(comparisons: Sequence[Json], arms: Sequence[Json]) -> str:
    """How the correction for several comparisons was reckoned with, and what it undid."""
    rule = f"What is decided stands corrected for making {len(comparisons)} comparisons at once (Holm)."
    undone = [
        item
        for item in comparisons
        if decide(item) == "undecided" and _excludes_half(item) and not _stands(item)
    ]
    if not undone:
        return rule if any(decide(item) in ("beaten", "lost") for item in comparisons) else ""
    names = join([arm_name(item["b"], arms) for item in undone])
    return (
        f"By itself the interval against {names} leaves 50% out; corrected for making {len(comparisons)} comparisons at once "
        "(Holm) that is not enough."
    )


def _by_loss(candidate: str, arms: Sequence[Json]) -> dict[str, str]:
    """What the loss on the references says: ``kind`` and ``sentence``, both empty where nothing can be compared."""
    rivals = [arm for arm in arms if arm["name"] != candidate and _compared(arm)]
    if not rivals:
        return {"kind": "", "sentence": ""}
    better = [arm for arm in rivals if arm["loss_above_candidate"]["low"] > 0]
    worse = [arm for arm in rivals if arm["loss_above_candidate"]["high"] < 0]
    rest = [arm for arm in rivals if arm not in better and arm not in worse]
    phrases = (
        (better, "predicts the references better than", "and"),
        (worse, "predicts them worse than" if better else "predicts the references worse than", "and"),
        (rest, "is not shown to differ from", "or"),
    )
    parts = [
        f"{verb} {join([_loss_numbers(arm, arms) for arm in found], word)}"
        for found, verb, word in phrases
        if found
    ]
    kind = "clear" if len(better) == len(rivals) else "mixed" if better else "lost" if worse else "undecided"
    return {"kind": kind, "sentence": f"By loss, {candidate} {'; it '.join(parts)}."}


def _without_verdicts(by_loss: Mapping[str, str]) -> dict[str, str]:
    """No pairs were judged: the losses speak alone, and never for more than they measure."""
    if not by_loss["sentence"]:
        nothing = "Nothing was compared: there are no verdicts and no held-out losses."
        return {"kind": "refused", "headline": nothing, "sentence": nothing, "certainty": ""}
    certainty = "No pairs were judged: loss says how well the references are predicted, not which answers people prefer."
    headline = by_loss["sentence"]
    return {"kind": by_loss["kind"], "headline": headline, "sentence": headline, "certainty": certainty}


def _compared(arm: Json) -> bool:
    difference = arm["loss_above_candidate"]
    return difference is not None and difference["low"] is not None


def _loss_numbers(arm: Json, arms: Sequence[Json]) -> str:
    above = f"{arm['loss_above_candidate']['value']:+.3f}".replace("-", "−")
    return f"{arm_name(arm['name'], arms)} ({above})"


def arm_name(name: str, arms: Sequence[Json]) -> str:
    """An arm as a reader would say it."""
    by = next((arm["by"] for arm in arms if arm["name"] == name), "")
    return {"none": "the base model", "full": "the full pool"}.get(by, name)


def join(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"
