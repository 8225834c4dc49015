"""Paired tests of one arm against others, corrected for making several of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handpicked.records import Verdict
from handpicked.statistics.crossed import of_mean
from handpicked.statistics.estimates import share_p_value
from handpicked.statistics.win_rate import parsed

EXACT_UP_TO = 5_000

MIN_PAIRS = 20
"""Judged pairs below which no winner is named: with fewer prompts a test over them proves little."""
LEVEL = 0.05
"""Corrected p-value below which a comparison is decided."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A test of "neither is better". ``wins`` and ``losses`` count prompts; even ones do not count.
    ``p_value`` is two-sided.

    ``adjusted`` is the p-value after Holm's correction over all comparisons that were made together.
    ``None``: no prompt favours either side, so there is nothing to test.
    """

    a: str
    b: str
    wins: int
    losses: int
    p_value: float | None
    adjusted: float | None


def compare(verdicts: Sequence[Verdict], arm_of: Mapping[str, str] | None = None) -> list[Comparison]:
    """The exact sign test (Conover, 1999, section 3.4; McNemar's) for every pair of arms,
    Holm-corrected.

    A prompt counts once, for the side that its verdicts favour on balance, so that several judgements on one
    prompt do not pose as several prompts. ``arm_of`` says of which arm each model is a seed (``None``: models
    are arms). Where arms have several seeds, the luck of training favours a side on all prompts at once, which
    no test over prompts can see; then the p-value is that of the win rate over prompts and seeds
    (``estimates.share_p_value``).
    """
    met: dict[tuple[str, str], list[Verdict]] = {}
    for v in verdicts:
        a, b = (v.a, v.b) if arm_of is None else (arm_of[v.a], arm_of[v.b])
        met.setdefault((a, b), []).append(v)
    tests = [(pair, *_test(listed)) for pair, listed in met.items()]
    adjusted = holm({pair: p for pair, _, _, p in tests if p is not None})
    return [Comparison(*pair, wins, losses, p, adjusted.get(pair)) for pair, wins, losses, p in tests]


def _test(verdicts: Sequence[Verdict]) -> tuple[int, int, float | None]:
    """Prompts won and lost on balance, and the p-value."""
    prompts, values, seeds = parsed(verdicts, "strict")
    balance = balances(prompts, values).values()
    wins, losses = sum(value > 0 for value in balance), sum(value < 0 for value in balance)
    if len(set(seeds)) < 2 or len(set(values)) == 1:  # where all are alike no variance is seen
        return wins, losses, sign_test(wins, losses)
    rate = math.fsum(values) / len(values)
    return wins, losses, share_p_value(rate, 0.5, of_mean(prompts, values, seeds))


def balances(prompts: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    """How far the mean worth of each prompt's verdicts lies above a tie; 0 where neither side is favoured."""
    listed: dict[str, list[float]] = {}
    for prompt, value in zip(prompts, values, strict=True):
        listed.setdefault(prompt, []).append(value - 0.5)
    return {prompt: math.fsum(one) / len(one) for prompt, one in listed.items()}


def sign_test(wins: int, losses: int) -> float | None:
    """Two-sided p-value of these wins and losses under even odds: exact binomial, normal above 5,000 of
    them.
    """
    n, k = wins + losses, min(wins, losses)
    if n == 0:
        return None
    if n > EXACT_UP_TO:
        return math.erfc((n - 2 * k - 1) / math.sqrt(2 * n)) if n > 2 * k + 1 else 1.0
    tail = sum(math.exp(_log_binomial(n, i) - n * math.log(2)) for i in range(k + 1))
    return min(1.0, 2 * tail)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def holm(p_values: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Step-down adjusted p-values (Holm, 1979): they control the chance of even one false finding."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted: dict[tuple[str, str], float] = {}
    highest = 0.0
    for i, (name, p) in enumerate(ordered):
        highest = max(highest, min(1.0, p * (len(ordered) - i)))
        adjusted[name] = highest
    return adjusted
