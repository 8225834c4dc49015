"""Wins, ties and losses of ``a``, and the rates made from them.

All rates are from the side of ``a``; verdicts that could not be parsed are counted as missing, never as
ties. *Win rate* is one number everywhere: wins plus half the ties.

Three rules. ``strict``: a preference must survive the swap. ``summed``: the sign of the preferences summed
over both orders. ``soft``: the mean probability of preferring ``a`` over the orders, for judges whose two
scores are probabilities. It is AlpacaEval 2's weighted win rate (Dubois et al., 2024), whose judgements are
of one order; averaging both takes a constant position bias out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from handpicked.records import Estimate, Outcome, Verdict
from handpicked.statistics import estimates
from handpicked.statistics.seeds import numbered

Rule = Literal["strict", "summed", "soft"]
WORTH: dict[Outcome, float | None] = {"win": 1.0, "tie": 0.5, "lose": 0.0, "unparsed": None}


@dataclass(frozen=True, slots=True)
class Counts:
    """How the verdicts fell. ``n`` leaves out the unparsed."""

    win: int
    tie: int
    lose: int
    unparsed: int

    @property
    def n(self) -> int:
        return self.win + self.tie + self.lose


def worth(verdict: Verdict, rule: Rule) -> float | None:
    """What a verdict is worth to ``a``: 1 a win, 0.5 a tie, 0 a loss, ``None`` when it has no value under the
    rule.
    """
    if rule == "strict":
        return WORTH[verdict.strict]
    if rule == "summed":
        return WORTH[verdict.summed]
    scores = [(r.order, r.scores) for r in verdict.reviews]
    if not scores or any(s is None or min(s) < 0 or abs(sum(s) - 1) > 1e-6 for _, s in scores):
        return None
    for_a = [s[order == "ba"] for order, s in scores if s is not None]
    return sum(for_a) / len(for_a)


def outcome(verdict: Verdict, rule: Rule) -> Outcome:
    """The verdict as win, tie, lose or unparsed; under ``soft`` a win is worth more than 0.5."""
    value = worth(verdict, rule)
    if value is None:
        return "unparsed"
    return "tie" if value == 0.5 else "win" if value > 0.5 else "lose"


def counts(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Counts:
    """Wins, ties, losses and unparsed verdicts."""
    found = [outcome(v, rule) for v in verdicts]
    return Counts(found.count("win"), found.count("tie"), found.count("lose"), found.count("unparsed"))


def adjusted_win_rate(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Estimate:
    """(W + T/2) / N, 0 to 1, 0.5 is even: FastChat's "adjusted win rate" (Zheng et al., 2023), AlpacaEval's
    win rate.

    All verdicts are taken to be on two arms: several models on a side are trainings of one arm, and the
    interval of this and every other rate is over prompts and seeds (``estimates``).
    """
    prompts, worths, seeds = parsed(verdicts, rule)
    return estimates.share(prompts, worths, seeds=seeds, missing=len(verdicts) - len(worths))


def share_won(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Estimate:
    """W / N, 0 to 1: ties count against ``a``. Zheng et al. (2023) call it the win rate, which here is
    ``adjusted_win_rate``.
    """
    prompts, worths, seeds = parsed(verdicts, rule)
    wins = [float(value > 0.5) for value in worths]
    return estimates.share(prompts, wins, seeds=seeds, missing=len(verdicts) - len(worths))


def has_probabilities(verdicts: Sequence[Verdict]) -> bool:
    """Whether the scores are probabilities, so that there is a soft win rate: both sum to
    1 in every parsed verdict.
    """
    known = [v for v in verdicts if v.strict != "unparsed"]
    return bool(known) and all(worth(v, "soft") is not None for v in known)


def winning_score(verdicts: Sequence[Verdict], rule: Rule = "summed") -> Estimate:
    """(W - L) / N + 1, 0 to 2, 1 is even: the score of Cherry LLM (Li et al., 2023), twice the adjusted win
    rate.
    """
    half = adjusted_win_rate(verdicts, rule)
    if half.value is None or half.low is None or half.high is None:
        return half
    return Estimate(2 * half.value, 2 * half.low, 2 * half.high, half.n, half.missing, half.method)


def standard_error(verdicts: Sequence[Verdict], rule: Rule) -> float | None:
    """Standard error of the adjusted win rate, 0 to 1: sample standard deviation over the root of N, as
    AlpacaEval's.

    ``None`` below two parsed verdicts. It takes verdicts as independent; the interval of
    ``adjusted_win_rate`` takes prompts as independent.
    """
    _, worths, _ = parsed(verdicts, rule)
    return float(np.std(worths, ddof=1) / np.sqrt(len(worths))) if len(worths) > 1 else None


def by_group(verdicts: Sequence[Verdict], group: Literal["test_set", "category"]) -> dict[str, list[Verdict]]:
    """The verdicts of each test set or category, in order of first appearance; those without one under
    ``(none)``.
    """
    groups: dict[str, list[Verdict]] = {}
    for v in verdicts:
        groups.setdefault((v.test_set if group == "test_set" else v.category) or "(none)", []).append(v)
    return groups


def parsed(verdicts: Sequence[Verdict], rule: Rule) -> tuple[list[str], list[float], list[int]]:
    """Prompt, worth and seed of every verdict that has a worth; see ``seeds.numbered``."""
    known = [(v, value) for v in verdicts if (value := worth(v, rule)) is not None]
    seeds = numbered([(v.a, v.b) for v, _ in known])
    return [v.prompt_id for v, _ in known], [value for _, value in known], seeds
