"""The terms of the regression at equal length, and whether the data suffice for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate, Pair, Verdict
from handpicked.statistics import estimates
from handpicked.statistics.length_forms import CHOSEN, FORMS, Form
from handpicked.statistics.logistic import separated
from handpicked.statistics.seeds import numbered
from handpicked.statistics.styles import STYLES, style_differences
from handpicked.statistics.win_rate import Rule, worth

NEAR = 0.2
"""Two answers are nearly equally long where their lengths differ by at most this share of the longer one."""
NEAR_PAIRS, NEAR_SHARE = 5, 0.1
"""Pairs of nearly equal length, and their share of all, below which there is no rate at equal length."""
ALWAYS = 0.95
"""Share of pairs in which one side has the longer answer (or more of a style) from
which on it counts as always.
"""
FEWEST_PROMPTS = 10
"""Prompts below which nothing is fitted."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Verdicts that have a value and lengths, as a regression needs them: one row each.

    ``terms`` [n, k], called ``names``, are 0 where both answers are alike and have a root mean square of 1; a
    term that never differs is left out. ``lengths`` [n, 2] are those of ``a`` and ``b`` in characters,
    ``styles`` [n, 4 or 0] the differences in style; ``outcomes`` [n] what a verdict is worth to ``a``, 0 to
    1. ``models`` are the two, which distinguishes the seeds of an arm. ``missing`` counts the verdicts
    left out."""

    prompts: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    lengths: npt.NDArray[np.float64]
    styles: npt.NDArray[np.float64]
    terms: npt.NDArray[np.float64]
    names: tuple[str, ...]
    outcomes: npt.NDArray[np.float64]
    missing: int

    def terms_by(self, form: Form) -> npt.NDArray[np.float64]:
        """``terms`` with the length in another form."""
        return _unit(_terms(form, self.lengths, self.styles))


@dataclass(frozen=True, slots=True)
class NearEqual:
    """The ``pairs`` of ``of`` whose lengths differ by at most ``within`` of the longer, their ``share``, and
    the win rate in them alone.
    """

    pairs: int
    of: int
    within: float
    win_rate: Estimate
    share: float | None


def length_rows(verdicts: Sequence[Verdict], rule: Rule = "strict") -> Rows:
    """One term: the length."""
    kept = [(v, value) for v in verdicts if (value := worth(v, rule)) is not None and has_lengths(v)]
    return _rows(kept, [()] * len(kept), (), len(verdicts))


def style_rows(verdicts: Sequence[Verdict], pairs: Sequence[Pair]) -> Rows:
    """The length, then every style. Verdicts that none of ``pairs`` belongs to are missing."""
    answers = {(p.prompt_id, p.a, p.b): (p.answer_a, p.answer_b) for p in pairs}
    kept, styles = [], []
    for v in verdicts:
        value, texts = worth(v, "strict"), answers.get((v.prompt_id, v.a, v.b))
        if value is not None and texts is not None and has_lengths(v):
            kept.append((v, value))
            styles.append(style_differences(*texts))
    return _rows(kept, styles, tuple(STYLES), len(verdicts))


def has_lengths(verdict: Verdict) -> bool:
    """Whether the lengths of the answers are known; both are 0 where they are not."""
    return verdict.length_a + verdict.length_b > 0


def _rows(
    kept: Sequence[tuple[Verdict, float]],
    differences: Sequence[tuple[float, ...]],
    names: tuple[str, ...],
    total: int,
) -> Rows:
    lengths = np.array([[v.length_a, v.length_b] for v, _ in kept], dtype=float).reshape(-1, 2)
    styles = np.array(differences, dtype=float).reshape(len(kept), len(names))
    terms = _terms(FORMS[CHOSEN], lengths, styles)
    return Rows(
        tuple(v.prompt_id for v, _ in kept),
        tuple((v.a, v.b) for v, _ in kept),
        lengths,
        styles,
        _unit(terms),
        tuple(name for i, name in enumerate(("length", *names)) if terms[:, i].any()),
        np.array([value for _, value in kept]),
        total - len(kept),
    )


def _terms(
    form: Form, lengths: npt.NDArray[np.float64], styles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    length = form(lengths[:, 0], lengths[:, 1]) if len(lengths) else np.zeros(0)
    return np.column_stack([length, styles])


def _unit(terms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Terms over their root mean square, so that the ridge weighs on all alike; those that
    never differ are left out.
    """
    varied = terms[:, terms.any(axis=0)]
    return np.asarray(varied / np.sqrt((varied**2).mean(axis=0))) if len(terms) else varied


def near_equal(rows: Rows) -> NearEqual:
    """The pairs of nearly equal length."""
    a, b = rows.lengths.T
    near = np.flatnonzero(np.abs(a - b) <= NEAR * np.maximum(a, b))
    rate = estimates.share(
        [rows.prompts[i] for i in near],
        rows.outcomes[near].tolist(),
        seeds=numbered([rows.models[i] for i in near]),
    )
    of = len(rows.outcomes)
    return NearEqual(len(near), of, NEAR, rate, len(near) / of if of else None)


def no_rate(rows: Rows, near: NearEqual) -> str | None:
    """Why these rows cannot say what the win rate is where all terms are 0, or ``None`` where they can."""
    n, prompts = len(rows.outcomes), len(set(rows.prompts))
    if not n:
        return "no verdict has a value and the lengths of both answers"
    if prompts < FEWEST_PROMPTS:
        noun = "prompt" if prompts == 1 else "prompts"
        return f"{prompts} {noun} cannot show what length does; at least {FEWEST_PROMPTS} are needed"
    if np.ptp(rows.outcomes) == 0:
        same = {1.0: "a win", 0.5: "a tie", 0.0: "a loss"}.get(float(rows.outcomes[0]), "worth the same")
        return f"every verdict is {same}, so nothing shows what length does"
    always = _always_more(rows, "length" if 2 * near.pairs < n else None)
    if always:
        return always
    if near.pairs < NEAR_PAIRS or near.pairs < NEAR_SHARE * n:
        return (
            f"only {near.pairs} of {n} pairs ({near.pairs / n:.0%}) are within "
            f"{NEAR:.0%} of equal length; at least "
            f"{NEAR_PAIRS} and {NEAR_SHARE:.0%} are needed"
        )
    return _undetermined(rows)


def _always_more(rows: Rows, length: str | None) -> str | None:
    """That one side has nearly always more of a term, where it is so: then 0 lies outside of what was seen.

    ``length`` is ``None`` where the length need not be looked at.
    """
    for name, term in zip(rows.names, rows.terms.T, strict=True):
        if name == "length" and length is None:
            continue
        for who, share in (("first", (term > 0).mean()), ("second", (term < 0).mean())):
            if share >= ALWAYS:
                more = "is longer" if name == "length" else f"has more {name}"
                return f"the {who} model's answer {more} in {share:.0%} of {len(term)} pairs"
    return None


def _undetermined(rows: Rows) -> str | None:
    design = np.column_stack([np.ones(len(rows.outcomes)), rows.terms])
    differences = (
        f"the {'difference' if len(rows.names) == 1 else 'differences'} in {' and '.join(rows.names)}"
    )
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return f"{differences} cannot be separated from the answers: constant, or always together"
    if separated(design, rows.outcomes):
        return f"{differences} can explain every verdict, so nothing shows what else does"
    return None
