"""Wins, ties and losses of ``a``, and the rates made of them.

All rates are told from the side of ``a``; verdicts that could not be parsed are counted as missing, never as
ties. *Win rate* is one number everywhere: wins plus half the ties.

Three rules. ``strict``: a preference must survive the swap. ``summed``: the sign of the preferences summed
over both orders. ``soft``: the mean probability of preferring ``a`` over the orders, for judges whose two
scores are probabilities. It is AlpacaEval 2's weighted win rate (Dubois et al., 2024), whose judgements are
of one order; averaging both takes a constant position bias out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from handpicked.analyze import bootstrap
from handpicked.records import Estimate, Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np

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


def adjusted_win_rate(
    verdicts: Sequence[Verdict],
    rule: Rule = "strict",
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> Estimate:
    """(W + T/2) / N, 0 to 1, 0.5 is even: FastChat's "adjusted win rate" (Zheng et al., 2023), AlpacaEval's
    win rate.
    """
    prompts, worths = _parsed(verdicts, rule)
    missing = len(verdicts) - len(worths)
    return bootstrap.share(prompts, worths, missing=missing, seed=seed, resamples=resamples)


def share_won(verdicts: Sequence[Verdict], rule: Rule = "strict", *, seed: int = 0) -> Estimate:
    """W / N, 0 to 1: ties count against ``a``. Zheng et al. (2023) call it the win rate, which here is
    ``adjusted_win_rate``.
    """
    prompts, worths = _parsed(verdicts, rule)
    wins = [float(value > 0.5) for value in worths]
    return bootstrap.share(prompts, wins, missing=len(verdicts) - len(worths), seed=seed)


def has_probabilities(verdicts: Sequence[Verdict]) -> bool:
    """Whether the scores are probabilities, so that there is a soft win rate: both sum to 1 in every parsed verdict."""
    parsed = [v for v in verdicts if v.strict != "unparsed"]
    return bool(parsed) and all(worth(v, "soft") is not None for v in parsed)


def winning_score(verdicts: Sequence[Verdict], rule: Rule = "summed", *, seed: int = 0) -> Estimate:
    """(W - L) / N + 1, 0 to 2, 1 is even: the score of Cherry LLM (Li et al., 2023), twice the adjusted win
    rate.
    """
    half = adjusted_win_rate(verdicts, rule, seed=seed)
    if half.value is None or half.low is None or half.high is None:
        return half
    return Estimate(2 * half.value, 2 * half.low, 2 * half.high, half.n, half.missing, half.method)


def standard_error(verdicts: Sequence[Verdict], rule: Rule = "strict") -> float | None:
    """Standard error of the adjusted win rate, 0 to 1: sample standard deviation over the root of N, as
    AlpacaEval's.

    ``None`` below two parsed verdicts. It takes verdicts as independent; the interval of
    ``adjusted_win_rate`` takes prompts as independent.
    """
    import numpy as np

    _, worths = _parsed(verdicts, rule)
    return float(np.std(worths, ddof=1) / np.sqrt(len(worths))) if len(worths) > 1 else None


def macro_average(
    groups: Sequence[Sequence[Verdict]],
    rule: Rule = "strict",
    *,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> Estimate:
    """The unweighted mean of the groups' adjusted win rates, each group resampled by itself (stratified
    bootstrap).

    Groups with nothing parsed are left out and their verdicts counted as missing.
    """
    import numpy as np

    values: list[float] = []
    draws: list[np.ndarray] = []
    n = missing = 0
    for i, group in enumerate(groups):
        prompts, worths = _parsed(group, rule)
        n, missing = n + len(worths), missing + len(group) - len(worths)
        if worths:
            totals = bootstrap.totals_by_prompt(prompts, bootstrap.with_ones(worths))
            sums = bootstrap.resampled_totals(totals, resamples, seed + i)
            draws.append(sums[:, 0] / sums[:, 1])
            values.append(float(np.mean(worths)))
    if not values:
        return Estimate(None, None, None, 0, missing, "nothing to average")
    low, high = bootstrap.interval(np.mean(draws, axis=0))
    method = f"mean of {len(values)} groups, bootstrap over prompts within each, {resamples} resamples, seed {seed}"
    return Estimate(float(np.mean(values)), low, high, n, missing, method)


def by_group(verdicts: Sequence[Verdict], group: Literal["test_set", "category"]) -> dict[str, list[Verdict]]:
    """The verdicts of each test set or category, in order of first appearance; those without one under
    ``(none)``.
    """
    groups: dict[str, list[Verdict]] = {}
    for v in verdicts:
        groups.setdefault((v.test_set if group == "test_set" else v.category) or "(none)", []).append(v)
    return groups


def _parsed(verdicts: Sequence[Verdict], rule: Rule) -> tuple[list[str], list[float]]:
    """Prompt and worth of every verdict that has one."""
    prompts, worths = [], []
    for v in verdicts:
        value = worth(v, rule)
        if value is not None:
            prompts.append(v.prompt_id)
            worths.append(value)
    return prompts, worths
