"""Wins, ties and losses of ``a``, and the rates made of them, under the strict or the summed rule.

All rates are told from the side of ``a``; verdicts that could not be parsed are counted as missing, never as
ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from handpicked.analyze import bootstrap
from handpicked.records import Estimate, Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np

Rule = Literal["strict", "summed"]
WORTH: dict[Outcome, float] = {"win": 1.0, "tie": 0.5, "lose": 0.0}


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


def outcome(verdict: Verdict, rule: Rule) -> Outcome:
    """The verdict under one of the two rules."""
    return verdict.strict if rule == "strict" else verdict.summed


def counts(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Counts:
    """Wins, ties, losses and unparsed verdicts."""
    found = [outcome(v, rule) for v in verdicts]
    return Counts(found.count("win"), found.count("tie"), found.count("lose"), found.count("unparsed"))


def adjusted_win_rate(verdicts: Sequence[Verdict], rule: Rule = "strict", *, seed: int = 0) -> Estimate:
    """(W + T/2) / N, 0 to 1, 0.5 is even: FastChat's "adjusted win rate" (Zheng et al., 2023) and
    AlpacaEval's win rate.
    """
    parsed = [v for v in verdicts if outcome(v, rule) != "unparsed"]
    worth = [WORTH[outcome(v, rule)] for v in parsed]
    return bootstrap.share(
        [v.prompt_id for v in parsed], worth, missing=len(verdicts) - len(parsed), seed=seed
    )


def win_rate(verdicts: Sequence[Verdict], rule: Rule = "strict", *, seed: int = 0) -> Estimate:
    """W / N, 0 to 1: ties count against ``a`` (Zheng et al., 2023)."""
    parsed = [v for v in verdicts if outcome(v, rule) != "unparsed"]
    wins = [float(outcome(v, rule) == "win") for v in parsed]
    return bootstrap.share(
        [v.prompt_id for v in parsed], wins, missing=len(verdicts) - len(parsed), seed=seed
    )


def winning_score(verdicts: Sequence[Verdict], rule: Rule = "summed", *, seed: int = 0) -> Estimate:
    """(W - L) / N + 1, 0 to 2, 1 is even: the score of Cherry LLM (Li et al., 2023), twice the adjusted win
    rate.
    """
    half = adjusted_win_rate(verdicts, rule, seed=seed)
    if half.value is None or half.low is None or half.high is None:
        return half
    return Estimate(2 * half.value, 2 * half.low, 2 * half.high, half.n, half.missing, half.method)


def standard_error(verdicts: Sequence[Verdict], rule: Rule = "strict") -> float | None:
    """Standard error of the adjusted win rate, 0 to 1: sample standard deviation over the root of N
    (AlpacaEval's).

    ``None`` below two parsed verdicts. It takes verdicts as independent; the interval of
    ``adjusted_win_rate`` does not.
    """
    import numpy as np

    worth = np.array([WORTH[outcome(v, rule)] for v in verdicts if outcome(v, rule) != "unparsed"])
    return float(worth.std(ddof=1) / np.sqrt(len(worth))) if len(worth) > 1 else None


def soft_win_rate(verdicts: Sequence[Verdict], *, seed: int = 0) -> Estimate:
    """The mean preference for ``a`` over all reviews, 0 to 1, of a judge whose two scores are probabilities.

    AlpacaEval 2 calls it the weighted win rate. Both orders are averaged, which cancels a constant position
    bias. Verdicts in which a review has no scores that sum to 1 are missing.
    """
    prompts, values = [], []
    for v in verdicts:
        scores = [r.scores for r in v.reviews]
        if scores and all(s is not None and abs(sum(s) - 1) < 1e-6 for s in scores):
            for_a = [s[r.order == "ba"] for s, r in zip(scores, v.reviews, strict=True) if s is not None]
            prompts.append(v.prompt_id)
            values.append(sum(for_a) / len(for_a))
    return bootstrap.share(prompts, values, missing=len(verdicts) - len(values), seed=seed)


def by_group(verdicts: Sequence[Verdict], group: Literal["test_set", "category"]) -> dict[str, list[Verdict]]:
    """The verdicts of each test set or category, in order of first appearance; without a category:
    ``(none)``.
    """
    groups: dict[str, list[Verdict]] = {}
    for v in verdicts:
        groups.setdefault((v.test_set if group == "test_set" else v.category) or "(none)", []).append(v)
    return groups


def macro_average(
    groups: Sequence[Sequence[Verdict]],
    rule: Rule = "strict",
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> Estimate:
    """The unweighted mean of the groups' adjusted win rates, each resampled by itself (stratified bootstrap).

    Groups with nothing parsed are left out and their verdicts counted as missing.
    """
    import numpy as np

    worths: list[np.ndarray] = []
    sums: list[np.ndarray] = []
    missing = 0
    for i, group in enumerate(groups):
        parsed = [v for v in group if outcome(v, rule) != "unparsed"]
        missing += len(group) - len(parsed)
        if parsed:
            worth = np.array([[WORTH[outcome(v, rule)], 1.0] for v in parsed])
            totals = bootstrap.totals_by_prompt([v.prompt_id for v in parsed], worth)
            worths.append(totals.sum(axis=0))
            sums.append(bootstrap.resampled_totals(totals, resamples, seed + i))
    if not worths:
        return Estimate(None, None, None, 0, missing, "nothing to average")
    value = float(np.mean([w[0] / w[1] for w in worths]))
    low, high = bootstrap.interval(np.mean([s[:, 0] / s[:, 1] for s in sums], axis=0))
    n = int(sum(w[1] for w in worths))
    return Estimate(
        value, low, high, n, missing, f"mean of {len(worths)} groups, stratified bootstrap, seed {seed}"
    )
