"""The win rate at equal length, and at equal length and style.

A logistic regression of the verdict on the lengths, read off where they are equal. It follows AlpacaEval 2's
length-controlled win rate (Dubois et al., 2024, arXiv 2404.04475), whose model is

    logit P(a wins) = arm + slope * tanh(length difference / its spread) + difficulty of the
    instruction

and differs in two ways. It lacks the third term: the difficulty of each instruction is fitted there over
dozens of leaderboard models, which a comparison of two arms does not have. And the lengths enter in a form
that a few answers that repeat themselves cannot rule (``length_forms``). Style terms besides length follow
LMArena's style control (Li, Angelopoulos and Chiang, blog post of August 2024).

Which form is right cannot be seen from the verdicts: several fit nearly as well and differ at equal length,
by 2 to 7 points where one side is usually longer. So each rate comes with what the other ``FORMS`` say. And
where the verdicts say nothing of equal length there is no rate but a reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handpicked.records import Estimate, NotEstimable, Pair, Verdict
from handpicked.statistics import estimates
from handpicked.statistics.equal_length import (
    NearEqual,
    Rows,
    has_lengths,
    length_rows,
    near_equal,
    no_rate,
    style_rows,
)
from handpicked.statistics.length_forms import CHOSEN, FORMS
from handpicked.statistics.logistic import fit, rate_at_zero
from handpicked.statistics.seeds import numbered
from handpicked.statistics.win_rate import Rule, adjusted_win_rate


@dataclass(frozen=True, slots=True)
class Controlled:
    """``win_rate`` at equal length (and style), 0 to 1; ``effects`` are log-odds per
    standard deviation of each term.

    A positive effect of ``length`` says that the judge prefers longer answers at equal arm. ``forms`` has the
    win rate by each form of the length term, the chosen one among them. Both are empty where the rate is not
    estimable.
    """

    win_rate: Estimate | NotEstimable
    effects: Mapping[str, Estimate]
    near: NearEqual
    forms: Mapping[str, float]

    @property
    def both_sides(self) -> bool:
        """Whether the forms fall on both sides of 50%: then the verdicts cannot decide the
        answers from their lengths.
        """
        return bool(self.forms) and min(self.forms.values()) < 0.5 < max(self.forms.values())

    @property
    def reason(self) -> str | None:
        """Why there is no win rate, or why the one there is decides nothing; ``None`` where neither is so."""
        if isinstance(self.win_rate, NotEstimable):
            return self.win_rate.reason
        if not self.both_sides:
            return None
        low, high = min(self.forms.values()), max(self.forms.values())
        return (
            f"length cannot be separated from the answer: reasonable forms of control give {low:.1%} to "
            f"{high:.1%}, on both sides of 50%"
        )


def length_controlled(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Controlled:
    """The win rate at equal length. Verdicts of unknown lengths (both 0) or not parsed are missing."""
    return controlled(length_rows(verdicts, rule))


def style_controlled(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Controlled:
    """The win rate at equal length and equal use of headings, lists, bold and code blocks.

    Counts enter as (a - b) / (a + b), 0 where neither has any. ``pairs`` are what was judged; verdicts that
    none of them belongs to are missing.
    """
    return controlled(style_rows(verdicts, pairs))


def controlled(rows: Rows) -> Controlled:
    """Fit, and read the win rate off where every term is 0."""
    near = near_equal(rows)
    n = len(rows.outcomes)
    prompts, terms = len(set(rows.prompts)), len(rows.names) + 1
    reason = no_rate(rows, near)
    if reason is None and prompts <= terms:
        reason = f"{prompts} prompts are too few for {terms} coefficients"
    if reason is not None:
        return Controlled(NotEstimable(reason, n, rows.missing), {}, near, {})
    design = np.column_stack([np.ones(n), rows.terms])
    beta, variances = fit(design, rows.outcomes, rows.prompts, numbered(rows.models))
    how = f"logistic regression on {', '.join(rows.names) or 'nothing'} (length as {CHOSEN})"
    method = f"{how}; sandwich interval over {estimates.over(variances[0])}"
    halves = [variance.half() for variance in variances]
    found = [
        Estimate(b, b - h, b + h, n, rows.missing, method) for b, h in zip(beta.tolist(), halves, strict=True)
    ]
    effects = dict(zip(rows.names, found[1:], strict=True))
    forms = {name: float(rate_at_zero(rows.terms_by(form), rows.outcomes)[0]) for name, form in FORMS.items()}
    return Controlled(_as_rate(found[0]), effects, near, forms)


def _as_rate(log_odds: Estimate) -> Estimate:
    ends = (log_odds.value, log_odds.low, log_odds.high)
    value, low, high = (None if end is None else 1 / (1 + math.exp(-end)) for end in ends)
    return replace(log_odds, value=value, low=low, high=high)


def by_length(verdicts: Sequence[Verdict]) -> dict[str, Estimate]:
    """The adjusted win rate of ``a`` where its answer is ``longer``, ``shorter`` and ``equal``ly long."""
    groups: dict[str, list[Verdict]] = {"longer": [], "shorter": [], "equal": []}
    for v in verdicts:
        if has_lengths(v):
            groups[
                "longer" if v.length_a > v.length_b else "shorter" if v.length_a < v.length_b else "equal"
            ].append(v)
    return {name: adjusted_win_rate(group) for name, group in groups.items()}
