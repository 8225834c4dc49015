"""The pairs of a run or of two files of answers, with the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handpicked.records import Pair, Verdict
from handpicked.votes import Case

Key = tuple[str, str, str]
"""Prompt id and both arms."""


def key(item: Pair | Verdict) -> Key:
    """What a pair and its verdicts have in common."""
    return item.prompt_id, item.a, item.b


def join(pairs: Mapping[Key, Pair], verdicts: Sequence[Verdict]) -> list[Case]:
    """Every pair that has a verdict, with its verdicts in their order."""
    found: dict[Key, list[Verdict]] = {}
    for verdict in verdicts:
        if key(verdict) in pairs:
            found.setdefault(key(verdict), []).append(verdict)
    return [Case(pairs[name], tuple(on_it)) for name, on_it in found.items()]
