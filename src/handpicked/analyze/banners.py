"""Failure signatures: what a reader must know before believing the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from handpicked.analyze.answer import RANDOM, decide
from handpicked.config import FEW_STEPS

TRUNCATED_SHARE = 0.05
"""Share of an arm's training rows cut to ``max_length`` above which the reader is warned."""
LEFT_OUT_SHARE = 0.05
"""Share of a subset that rewriting may leave out before the reader is warned."""
UNFINISHED_SHARE = 0.2
"""Share of an arm's answers that stopped at the token limit above which the reader is warned."""

Json = Mapping[str, Any]


def banners(results: Json) -> list[dict[str, str]]:
    """Each with ``level`` (stop: the verdicts decide nothing; warn; note), a ``title`` and a ``text``."""
    found = [
        *_unhealthy(results),
        *_random_as_good(results),
        *_length_explains(results),
        *_short_answers(results),
        *_few_steps(results),
        *_truncated(results),
        *_left_out(results),
        *_unfinished(results),
        *_longer_and_worse(results),
        *_broken_benchmarks(results),
    ]
    return [{"level": level, "title": title, "text": text} for level, title, text in found]


def _headline_comparisons(results: Json) -> list[Json]:
    if not results["judges"]:
        return []
    judge = results["judges"][0]["name"]
    return [
        item
        for item in results["comparisons"]
        if item["judge"] == judge and item["test_set"] == "all" and item["a"] in results["candidates"]
    ]


def _unhealthy(results: Json) -> Iterator[tuple[str, str, str]]:
    for judge in results["judges"]:
        if not judge["healthy"]:
            yield (
                "stop",
                f"The judge {judge['name']} cannot be trusted",
                _sentence("; ".join(judge["reasons"])),
            )


def _random_as_good(results: Json) -> Iterator[tuple[str, str, str]]:
    arm = {arm["name"]: arm for arm in results["arms"]}
    if any(not judge["healthy"] for judge in results["judges"][:1]):
        return
    for candidate in results["candidates"]:
        equal = [
            c["b"]
            for c in _headline_comparisons(results)
            if c["a"] == candidate and arm[candidate]["by"] not in RANDOM
            if arm[c["b"]]["by"] in RANDOM and decide(c) in ("lost", "undecided")
        ]
        same = all(arm[name]["rows"] == arm[candidate]["rows"] for name in equal)
        if equal:
            yield (
                "warn",
                "A random subset is as good, as far as this run can tell",
                f"{candidate} is not shown to beat {' or '.join(equal)}, chosen blindly{' and of the same size' if same else ''}. "
                "Until it is, the method has not earned its cost.",
            )


def _length_explains(results: Json) -> Iterator[tuple[str, str, str]]:
    """A win that is no longer sure at equal length; or, if it still is, at equal length and style; or neither can be told."""
    decided = [c for c in _headline_comparisons(results) if decide(c) in ("beaten", "lost")]
    beaten = [c for c in decided if decide(c) == "beaten"]
    yield from _cannot_be_told(decided)
    known = [c for c in beaten if not _reason(c["length_controlled"])]
    by_length = [c["b"] for c in known if _undone(c["length_controlled"])]
    by_style = [
        c["b"]
        for c in known
        if c["b"] not in by_length and not _reason(c["style_controlled"]) and _undone(c["style_controlled"])
    ]
    if by_length:
        yield (
            "warn",
            "The win vanishes at equal length",
            f"Against {', '.join(by_length)} the win rate is above 50% as judged, but no longer surely so once the difference in answer length "
            "is held at zero: the judge may be rewarding length itself.",
        )
    if by_style:
        yield (
            "warn",
            "The win vanishes at equal style",
            f"Against {', '.join(by_style)} the win rate is above 50% also at equal length, but no longer surely so once headings, lists, bold "
            "and code are held equal too: the judge may be rewarding form itself.",
        )


def _cannot_be_told(decided: Sequence[Json]) -> Iterator[tuple[str, str, str]]:
    """Comparisons with a winner whose verdicts do not show what remains at equal length, or at equal style."""
    length = {c["b"]: reason for c in decided if (reason := _reason(c["length_controlled"]))}
    style = {
        c["b"]: reason for c in decided if c["b"] not in length and (reason := _reason(c["style_controlled"]))
    }
    for what, found in (("Length", length), ("Style", style)):
        if found:
            why = " ".join(_sentence(f"against {rival}, {reason}") for rival, reason in found.items())
            yield (
                "warn",
                f"{what} cannot be told apart from the answer",
                f"{why} What the judge prefers may be {what.lower()}, and these verdicts cannot show it.",
            )


def _reason(controlled: Json | None) -> str | None:
    return controlled.get("reason") if controlled else None


def _undone(controlled: Json | None) -> bool:
    return bool(controlled and controlled["low"] is not None and controlled["low"] <= 0.5)


def _short_answers(results: Json) -> Iterator[tuple[str, str, str]]:
    """Longer answers where a word was asked, and fewer of them right: by the references, or on a benchmark of the run."""
    found = []
    for arm in results["short_answers"]:
        longer, right = arm["words_above_base"], arm["right_above_base"]
        if not longer or longer["low"] is None or longer["low"] <= 0:
            continue
        falls = [f"{100 * right['value']:+.0f} points right"] if right and _below_zero(right) else []
        falls += [
            f"{task} {100 * change['value']:+.0f} points" for task, change in _fallen(results, arm["arm"])
        ]
        if falls:
            found.append(f"{arm['arm']}: {longer['value']:+.0f} words, {', '.join(falls)}")
    if found:
        prompts = results["short_answers"][0]["prompts"]
        yield (
            "warn",
            "Short answers grow while accuracy falls",
            f"On {prompts} prompts whose reference is a few words, against the untouched model: "
            f"{'; '.join(found)}. The style may have been learned at the expense of the task.",
        )


def _below_zero(estimate: Json) -> bool:
    return estimate["high"] is not None and bool(estimate["high"] < 0)


def _fallen(results: Json, arm: str) -> Iterator[tuple[str, Json]]:
    """Benchmarks on which an arm lies below the untouched model, its whole interval below zero."""
    for row in results["benchmarks"]:
        for cell in row["arms"]:
            known = cell["arm"] == arm and row["higher_is_better"] and not row["members"] and cell["to_base"]
            if known and _below_zero(cell["to_base"]):
                yield row["benchmark"], cell["to_base"]


def _left_out(results: Json) -> Iterator[tuple[str, str, str]]:
    """Rewriting that lost a part of a subset: the arm was trained on fewer rows than its rivals."""
    shares = []
    for arm in results["arms"]:
        lost = sum(arm["refined"]["left_out"].values()) if arm["refined"] else 0
        if lost and lost / arm["refined"]["rows"] > LEFT_OUT_SHARE:
            reasons = ", ".join(f"{count} {reason}" for reason, count in arm["refined"]["left_out"].items())
            shares.append(f"{arm['name']} {lost / arm['refined']['rows']:.0%} ({reasons})")
    if shares:
        yield (
            "warn",
            "Rewriting left rows out",
            f"Rows without a usable new response, which the arm was not trained on: {'; '.join(shares)}.",
        )


def _few_steps(results: Json) -> Iterator[tuple[str, str, str]]:
    """Arms that took too few optimizer steps to say much of their subset, and how far these moved the weights."""
    few = [
        f"{arm['name']} took {arm['training']['steps']:g}{_moved(arm['training'])}"
        for arm in results["arms"]
        if arm["training"] and arm["training"]["steps"] < FEW_STEPS
    ]
    if few:
        yield (
            "warn",
            "Trained for few steps",
            f"Fewer than {FEW_STEPS} optimizer steps: {'; '.join(few)}. Such an arm says little of its subset; lower train.batch_size, or "
            "train longer.",
        )


def _moved(training: Json) -> str:
    norm, share = training["weight_change"], training["weight_change_relative"]
    if norm is None or share is None:
        return ""
    return f", which changed its weights by {100 * share:.2g}% of their norm ({norm:.2g})"


def _truncated(results: Json) -> Iterator[tuple[str, str, str]]:
    shares = [
        f"{arm['name']} {arm['training']['truncated'] / arm['training']['rows']:.0%}"
        for arm in results["arms"]
        if arm["training"] and arm["training"]["rows"]
        if arm["training"]["truncated"] / arm["training"]["rows"] > TRUNCATED_SHARE
    ]
    if shares:
        yield (
            "warn",
            "Training cut the responses it was given",
            f"Rows cut to max_length: {', '.join(shares)}. A selection by length cannot show its worth when what it "
            "selected is cut off; raise train.max_length.",
        )


def _unfinished(results: Json) -> Iterator[tuple[str, str, str]]:
    shares = [
        f"{arm['name']} {arm['unfinished']['value']:.0%}"
        for arm in results["arms"]
        if (arm["unfinished"]["value"] or 0) > UNFINISHED_SHARE
    ]
    if shares:
        yield (
            "note",
            "Answers stop at the token limit",
            f"Unfinished answers: {', '.join(shares)}. They are compared as they are; raise "
            "evaluate.generate.max_new_tokens to see whole ones.",
        )


def _longer_and_worse(results: Json) -> Iterator[tuple[str, str, str]]:
    """Answers that should be a number or a word grow, beyond their interval, while accuracy falls beyond its own."""
    found = [
        f"{cell['arm']} on {row['benchmark']} ({cell['characters_to_base']['value']:+,.0f} characters, "
        f"{100 * cell['to_base']['value']:+.1f} points)"
        for row in results["benchmarks"]
        if row["short_answer"]
        for cell in row["arms"]
        if cell["to_base"] and cell["characters_to_base"]
        if (cell["characters_to_base"]["low"] or 0) > 0 and (cell["to_base"]["high"] or 0) < 0
    ]
    if found:
        yield (
            "warn",
            "Answers grow where short ones are right, and accuracy falls",
            f"Against the untouched model: {'; '.join(found)}. Training on long responses has taught length where none was "
            "asked for.",
        )


def _broken_benchmarks(results: Json) -> Iterator[tuple[str, str, str]]:
    broken = [
        f"{row['benchmark']} of {cell['arm']} ({cell['reason']})"
        for row in results["benchmarks"]
        for cell in row["arms"]
        if cell["failed"]
    ]
    if broken:
        yield (
            "warn",
            "Benchmarks broke off",
            f"{'; '.join(broken)}. The others are whole; the same command runs these again.",
        )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
