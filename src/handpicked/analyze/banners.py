"""Failure signatures: what a reader must know before believing the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handpicked.analyze.answer import RANDOM, decide

TRUNCATED_SHARE = 0.05
"""Share of an arm's training rows cut to ``max_length`` above which the reader is warned."""
UNFINISHED_SHARE = 0.2
"""Share of an arm's answers that stopped at the token limit above which the reader is warned."""

Json = Mapping[str, Any]


def banners(results: Json) -> list[dict[str, str]]:
    """Each with ``level`` (stop: the verdicts decide nothing; warn; note), a ``title`` and a ``text``."""
    found = [
        *_unhealthy(results),
        *_random_as_good(results),
        *_length_explains(results),
        *_truncated(results),
        *_unfinished(results),
    ]
    return [{"level": level, "title": title, "text": text} for level, title, text in found]


def _headline_comparisons(results: Json) -> list[Json]:
    if not results["judges"]:
        return []
    judge = results["judges"][0]["name"]
    return [
        item
        for item in results["comparisons"]
        if item["judge"] == judge and item["test_set"] == "all" and item["a"] == results["candidate"]
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
    by = {arm["name"]: arm["by"] for arm in results["arms"]}
    if by.get(results["candidate"]) in RANDOM or any(not judge["healthy"] for judge in results["judges"][:1]):
        return
    equal = [
        c["b"]
        for c in _headline_comparisons(results)
        if by[c["b"]] in RANDOM and decide(c) in ("lost", "undecided")
    ]
    if equal:
        yield (
            "warn",
            "A random subset is as good, as far as this run can tell",
            f"{results['candidate']} is not shown to beat {' or '.join(equal)}, chosen blindly and of the same size. "
            "Until it is, the method has not earned its cost.",
        )


def _length_explains(results: Json) -> Iterator[tuple[str, str, str]]:
    """A win that is no longer sure at equal length; or, if it still is, at equal length and style."""
    beaten = [c for c in _headline_comparisons(results) if decide(c) == "beaten"]
    by_length = [c["b"] for c in beaten if _undone(c["length_controlled"])]
    by_style = [c["b"] for c in beaten if c["b"] not in by_length and _undone(c["style_controlled"])]
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


def _undone(controlled: Json | None) -> bool:
    return bool(controlled and controlled["low"] is not None and controlled["low"] <= 0.5)


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


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
