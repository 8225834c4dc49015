"""The answer of an experiment in one sentence, how sure it is, and when no winner may be named.

A rival is *beaten* when the whole 95% interval of the candidate's win rate lies above 50%, *lost to* when it lies below,
else *undecided*. Nothing is decided with fewer than ``MIN_PAIRS`` judged pairs or by a judge that is not healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Decision = Literal["beaten", "lost", "undecided", "thin"]
Json = Mapping[str, Any]

MIN_PAIRS = 20
"""Judged pairs below which no winner is named: even 14 wins of 19 leave an interval that touches 50%."""
RANDOM = ("random",)
"""Selectors that choose blindly: the arms that a method must beat to be worth its name."""


def decide(comparison: Json) -> Decision:
    """What one comparison says about its rival ``b``, by the strict rule."""
    rate = comparison["strict"]["win_rate"]
    if rate["value"] is None or rate["n"] < MIN_PAIRS:
        return "thin"
    if rate["low"] > 0.5:
        return "beaten"
    return "lost" if rate["high"] < 0.5 else "undecided"


def answer(
    candidate: str, arms: Sequence[Json], comparisons: Sequence[Json], judge: Json | None
) -> dict[str, str]:
    """``kind``, ``headline`` (no numbers), ``sentence`` (with them) and ``certainty`` (what the numbers do and do not cover).

    ``comparisons`` are those of the candidate over all prompts by one judge, whose health ``judge`` tells. ``kind`` is
    clear (every rival is beaten), mixed, lost, undecided, or refused (no winner may be named).
    """
    if not comparisons or judge is None:
        return _by_loss(candidate, arms)
    groups: dict[Decision, list[Json]] = {"beaten": [], "lost": [], "undecided": [], "thin": []}
    for comparison in comparisons:
        groups[decide(comparison)].append(comparison)
    certainty = _certainty(comparisons, judge, arms)
    if not judge["healthy"]:
        why = "; ".join(judge["reasons"])
        return {
            "kind": "refused",
            "headline": f"No winner is named: the judge {judge['name']} cannot be trusted.",
            "sentence": f"The judge {judge['name']} is unhealthy: {why}. Its verdicts are shown, but they decide nothing.",
            "certainty": certainty,
        }
    if len(groups["thin"]) == len(comparisons):
        most = max(item["strict"]["win_rate"]["n"] for item in comparisons)
        return {
            "kind": "refused",
            "headline": f"No winner is named: {_count(most, 'judged pair')} cannot decide it.",
            "sentence": f"At least {MIN_PAIRS} judged pairs a comparison are needed; the largest here has {most}.",
            "certainty": certainty,
        }
    return {
        "kind": _kind(groups),
        "headline": _headline(candidate, arms, groups),
        "sentence": _sentence(candidate, arms, groups),
        "certainty": certainty,
    }


def _kind(groups: Mapping[Decision, Sequence[Json]]) -> str:
    if groups["beaten"]:
        return "clear" if not (groups["lost"] or groups["undecided"] or groups["thin"]) else "mixed"
    return "lost" if groups["lost"] else "undecided"


def _headline(candidate: str, arms: Sequence[Json], groups: Mapping[Decision, Sequence[Json]]) -> str:
    parts: list[str] = []
    if groups["beaten"]:
        parts.append(f"beats {_names(groups['beaten'], arms)}")
    if groups["lost"]:
        parts.append(f"loses to {_names(groups['lost'], arms)}")
    open_ones = [*groups["undecided"], *groups["thin"]]
    if open_ones:
        joint = "it " if parts else ""
        parts.append(f"{joint}is not shown to differ from {_names(open_ones, arms, 'or')}")
    if len(parts) == 1:
        return f"{candidate} {parts[0]}."
    return f"{candidate} {', '.join(parts[:-1])}, but {parts[-1]}."


def _sentence(candidate: str, arms: Sequence[Json], groups: Mapping[Decision, Sequence[Json]]) -> str:
    """The same with its numbers; each win rate is the candidate's."""
    verbs = {"beaten": "beats", "lost": "loses to", "undecided": "is not shown to differ from"}
    parts: list[str] = []
    for decision, verb in verbs.items():
        found = groups[decision]  # type: ignore[index]
        if found:
            parts.append(
                f"{verb} {_join([_numbers(item, arms, first=not parts and not i) for i, item in enumerate(found)])}"
            )
    if groups["thin"]:
        names = _names(groups["thin"], arms, "or")
        parts.append(f"has too few judged pairs (under {MIN_PAIRS}) against {names}")
    return f"{candidate} {'; it '.join(parts)}."


def _numbers(comparison: Json, arms: Sequence[Json], first: bool) -> str:
    rate = comparison["strict"]["win_rate"]
    label = "win rate " if first else ""
    interval = f"{label}{rate['value']:.0%}, 95% {100 * rate['low']:.0f} to {100 * rate['high']:.0f}, n = {rate['n']}"
    return f"{_name(comparison['b'], arms)} ({interval})"


def _certainty(comparisons: Sequence[Json], judge: Json, arms: Sequence[Json]) -> str:
    pairs = [item["strict"]["win_rate"]["n"] for item in comparisons]
    n = str(pairs[0]) if min(pairs) == max(pairs) else f"{min(pairs)} to {max(pairs)}"
    lines = [
        f"{n} prompts a comparison, judged by {judge['name']} in both orders; only a verdict that survives the swap counts."
    ]
    if len(comparisons) > 1:
        chance = 1 - 0.95 ** len(comparisons)
        lines.append(
            f"Each interval is 95% by itself: with {len(comparisons)} comparisons, "
            f"up to {chance:.0%} of such runs would have one that misses."
        )
    if any(arm["training"] for arm in arms):
        lines.append(
            "Each arm was trained once: the intervals cover the choice of prompts, not of the training seed."
        )
    return " ".join(lines)


def _by_loss(candidate: str, arms: Sequence[Json]) -> dict[str, str]:
    """Without verdicts, what the loss on the references says; never more than that."""
    rivals = [arm for arm in arms if arm["name"] != candidate and _known(arm)]
    certainty = "No pairs were judged: this says how well the references are predicted, not which answers people prefer."
    if not rivals:
        headline = "Nothing was compared: there are no verdicts and no reference losses."
        return {"kind": "refused", "headline": headline, "sentence": headline, "certainty": certainty}
    better = [arm for arm in rivals if arm["loss_above_candidate"]["low"] > 0]
    worse = [arm for arm in rivals if arm["loss_above_candidate"]["high"] < 0]
    rest = [arm for arm in rivals if arm not in better and arm not in worse]
    phrases = [
        (better, "predicts the held-out references better than", "and"),
        (worse, "worse than", "and"),
        (rest, "is not shown to differ from", "or"),
    ]
    parts = [
        f"{verb} {_join([_name(arm['name'], arms) for arm in found], word)}"
        for found, verb, word in phrases
        if found
    ]
    kind = "undecided" if not better and not worse else "clear" if len(better) == len(rivals) else "mixed"
    numbers = _join([f"{_name(arm['name'], arms)} {_loss_numbers(arm)}" for arm in rivals])
    sentence = f"Loss above {candidate}'s, in nats per token: {numbers}."
    return {
        "kind": kind,
        "headline": f"{candidate} {'; '.join(parts)}.",
        "sentence": sentence,
        "certainty": certainty,
    }


def _known(arm: Json) -> bool:
    difference = arm["loss_above_candidate"]
    return difference is not None and difference["low"] is not None


def _loss_numbers(arm: Json) -> str:
    d = arm["loss_above_candidate"]
    return f"{d['value']:+.3f} (95% {d['low']:+.3f} to {d['high']:+.3f}, n = {d['n']})"


def _names(comparisons: Sequence[Json], arms: Sequence[Json], word: str = "and") -> str:
    return _join([_name(item["b"], arms) for item in comparisons], word)


def _name(name: str, arms: Sequence[Json]) -> str:
    """An arm as a reader would say it."""
    by = next((arm["by"] for arm in arms if arm["name"] == name), "")
    return (
        f"the untouched model ({name})"
        if by == "none"
        else f"the full pool ({name})"
        if by == "full"
        else name
    )


def _join(items: Sequence[str], word: str = "and") -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
