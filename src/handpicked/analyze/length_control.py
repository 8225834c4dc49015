"""What would be left of a win rate if both answers were equally long, or equally styled.

A logistic regression of the verdict on the difference in length, read off at difference zero. It follows
AlpacaEval 2's length-controlled win rate (Dubois et al., 2024, arXiv 2404.04475), whose model is

    logit P(a wins) = arm + slope * tanh(length difference / its spread) + difficulty of the
    instruction

and lacks its third term: the difficulty of each instruction is fitted there over dozens of leaderboard
models, which a comparison of two arms does not have. So it runs offline, on any prompts, and is not
comparable with their leaderboard to the point. The spread is the root mean square of the differences, so that
a difference of zero stays zero. Style terms beside the length follow LMArena's style control (Chiang et al.,
2024).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from handpicked.analyze import bootstrap
from handpicked.analyze.logistic import fit
from handpicked.analyze.win_rate import Rule, adjusted_win_rate, worth
from handpicked.records import Estimate, Pair, Verdict

STYLES = {
    "headings": re.compile(r"^#{1,6} ", re.MULTILINE),
    "list items": re.compile(r"^\s*(?:[-*+]|\d+[.)]) ", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*"),
    "code blocks": re.compile(r"^```", re.MULTILINE),
}


@dataclass(frozen=True, slots=True)
class Controlled:
    """``win_rate`` at equal length (and style), 0 to 1; ``effects`` are log-odds per standard deviation of
    each term.

    A positive effect of ``length`` says that the judge prefers longer answers at equal arm.
    """

    win_rate: Estimate
    effects: dict[str, Estimate]


def length_controlled(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Controlled:
    """The win rate at equal length. Verdicts of unknown lengths (both 0) or not parsed are missing."""
    kept = [
        (v, value) for v in verdicts if (value := worth(v, rule)) is not None and v.length_a + v.length_b > 0
    ]
    differences = [[_length_term(v)] for v, _ in kept]
    return _controlled(kept, differences, ["length"], len(verdicts))


def style_controlled(verdicts: Sequence[Verdict], pairs: Sequence[Pair], rule: Rule = "strict") -> Controlled:
    """The win rate at equal length and equal use of headings, lists, bold and code blocks.

    Counts enter as (a - b) / (a + b), 0 where neither has any. ``pairs`` are what was judged; verdicts that
    none of them belongs to are missing.
    """
    answers = {(p.prompt_id, p.a, p.b): (p.answer_a, p.answer_b) for p in pairs}
    kept, terms = [], []
    for v in verdicts:
        value, texts = worth(v, rule), answers.get((v.prompt_id, v.a, v.b))
        if value is not None and texts is not None:
            kept.append((v, value))
            styles = map(_relative, _style_counts(texts[0]), _style_counts(texts[1]))
            terms.append([_length_term(v), *styles])
    return _controlled(kept, terms, ["length", *STYLES], len(verdicts))


def style_counts(text: str) -> dict[str, int]:
    """How often each Markdown style term occurs; a code block counts once for its two fences."""
    return dict(zip(STYLES, _style_counts(text), strict=True))


@lru_cache(maxsize=100_000)
def _style_counts(text: str) -> tuple[int, ...]:
    """Kept, because an answer is looked at again for every judge, rival and group of prompts."""
    counts = {name: len(pattern.findall(text)) for name, pattern in STYLES.items()}
    counts["code blocks"] = (counts["code blocks"] + 1) // 2
    return tuple(counts.values())


def by_length(verdicts: Sequence[Verdict], rule: Rule = "strict") -> dict[str, Estimate]:
    """The adjusted win rate of ``a`` where its answer is ``longer``, ``shorter`` and ``equal``ly long."""
    groups: dict[str, list[Verdict]] = {"longer": [], "shorter": [], "equal": []}
    for v in verdicts:
        if v.length_a + v.length_b > 0:
            groups[
                "longer" if v.length_a > v.length_b else "shorter" if v.length_a < v.length_b else "equal"
            ].append(v)
    return {name: adjusted_win_rate(group, rule) for name, group in groups.items()}


def _length_term(v: Verdict) -> float:
    return float(v.length_a - v.length_b)


def _relative(a: int, b: int) -> float:
    return (a - b) / (a + b) if a + b else 0.0


def _controlled(
    kept: Sequence[tuple[Verdict, float]], terms: Sequence[Sequence[float]], names: Sequence[str], total: int
) -> Controlled:
    """Fit, and read the win rate off where every term is zero. Terms that never differ are left out."""
    import numpy as np

    missing = total - len(kept)
    if len(kept) < 2:
        nothing = Estimate(None, None, None, len(kept), missing, "too few verdicts to fit")
        return Controlled(nothing, dict.fromkeys(names, nothing))
    x = np.asarray(terms, dtype=float)
    spread = np.sqrt((x**2).mean(axis=0))  # around zero, where both answers are alike
    varied = spread > 0
    x = x[:, varied] / spread[varied]
    if varied[0]:
        x[:, 0] = np.tanh(x[:, 0])
    design = np.column_stack([np.ones(len(x)), x])
    y = np.array([value for _, value in kept])
    beta, covariance = fit(design, y, [v.prompt_id for v, _ in kept])
    errors = np.sqrt(np.diag(covariance))
    method = (
        f"logistic regression on {', '.join(n for n, v in zip(names, varied, strict=True) if v) or 'nothing'}; "
        + ("prompt-clustered sandwich interval")
    )

    def estimate(i: int, link: bool) -> Estimate:
        middle, half = float(beta[i]), float(bootstrap.Z95 * errors[i])
        ends = (middle, middle - half, middle + half)
        value, low, high = (1 / (1 + float(np.exp(-end))) for end in ends) if link else ends
        return Estimate(value, low, high, len(kept), missing, method)

    fitted = [name for name, has in zip(names, varied, strict=True) if has]
    return Controlled(estimate(0, True), {name: estimate(i, False) for i, name in enumerate(fitted, 1)})
