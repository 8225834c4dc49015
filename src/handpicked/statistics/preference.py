"""Which linguistic features go with being preferred at equal length: an association, not a cause.

For each feature a logistic regression of the verdict on the difference in that feature between the two
answers, with the difference in length beside it and an intercept for every pair of arms:

    logit P(a wins) = pair + slope * length + effect * feature

Differences are divided by a robust scale (the median of those that are not 0), so that an effect is the
change in log-odds for a typical difference and a difference of zero stays zero; one of more than ``MOST``
scales counts as so many, because an answer that repeats itself has hundreds of list items. Length enters as
in ``length_control``. A tie counts half (a fractional response, Papke and Wooldridge, 1996). The interval and
the two-sided p-value are Student's with the sandwich variance over prompts and training seeds
(``logistic.fit``); p-values are corrected for the number of features by Holm (1979). ``together`` holds the
effects in one model of all features, where there are ten verdicts a term or more (Peduzzi et al., 1996).
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from handpicked.records import Estimate, Verdict
from handpicked.statistics.compare import holm
from handpicked.statistics.crossed import Crossed
from handpicked.statistics.estimates import over
from handpicked.statistics.length_forms import CHOSEN, FORMS, robust_scale
from handpicked.statistics.logistic import fit
from handpicked.statistics.seeds import numbered
from handpicked.statistics.win_rate import worth

LENGTH = "length"
ENOUGH = 10
"""Verdicts a term below which the features are not put into one model."""
MOST = 3.0
"""Scales that a difference counts at most."""

Answers = Mapping[tuple[str, str], Mapping[str, "float | None"]]
"""The linguistic features of each answer, by (model, prompt id)."""


@dataclass(frozen=True, slots=True)
class FeatureEffect:
    """One feature: its ``effect`` (log-odds for a typical difference, at equal length), the ``p`` of none,
    and ``holm``, that corrected for the number of features; both ``None`` where it could not be fitted.
    ``difference`` is the mean of a - b in the feature's own unit.
    """

    feature: str
    effect: Estimate
    p: float | None
    holm: float | None
    difference: float | None


@dataclass(frozen=True, slots=True)
class StylePreference:
    """Which features of the answers go with being preferred, over ``n`` verdicts;
    ``missing`` verdicts lack something.

    ``together`` are the effects of all features in one model, ``None`` where there
    are too few verdicts for it.
    """

    rows: tuple[FeatureEffect, ...]
    n: int
    missing: int
    together: Mapping[str, Estimate] | None


def preference(
    verdicts: Sequence[Verdict],
    answers: Answers,
    features: Sequence[str],
    *,
    fixed: Container[str] | None = None,
) -> StylePreference:
    """One judge's verdicts against ``features`` of the ``answers``.

    Verdicts that were not parsed, have no lengths or lack the feature on either side are missing. ``fixed``
    are the models that are the only training of their arm, all others being seeds (``seeds.groups``);
    ``None``: there are no seeds.
    """
    kept = [
        (v, value)
        for v in verdicts
        if (value := worth(v, "strict")) is not None
        and v.length_a + v.length_b > 0
        and (v.a, v.prompt_id) in answers
        and (v.b, v.prompt_id) in answers
    ]
    differences = {name: [_difference(v, answers, name) for v, _ in kept] for name in features}
    alone = {name: _alone(kept, differences[name], len(verdicts), fixed) for name in features}
    p_values = {(name, ""): p for name, (_, p) in alone.items() if p is not None}
    corrected = holm(p_values)
    rows = tuple(
        FeatureEffect(
            name,
            effect,
            p,
            corrected.get((name, "")),
            _mean([d for d in differences[name] if d is not None]),
        )
        for name, (effect, p) in alone.items()
    )
    return StylePreference(rows, len(kept), len(verdicts) - len(kept), _together(kept, differences, fixed))


def _difference(v: Verdict, answers: Answers, name: str) -> float | None:
    a, b = answers[v.a, v.prompt_id].get(name), answers[v.b, v.prompt_id].get(name)
    return None if a is None or b is None else a - b


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _alone(
    kept: Sequence[tuple[Verdict, float]],
    differences: Sequence[float | None],
    total: int,
    fixed: Container[str] | None,
) -> tuple[Estimate, float | None]:
    """The effect of one feature with length held fixed, and its p-value."""
    measured = [(v, value, d) for (v, value), d in zip(kept, differences, strict=True) if d is not None]
    missing = total - len(measured)
    nothing = Estimate(
        None, None, None, 0, total, "too few verdicts, or answers or verdicts that do not differ"
    )
    columns = len({(v.a, v.b) for v, _, _ in measured}) + 2
    if len({v.prompt_id for v, _, _ in measured}) < max(ENOUGH, columns + 1) or not any(
        d for _, _, d in measured
    ):
        return nothing, None
    beta, variances = _fitted(
        [v for v, _, _ in measured], [value for _, value, _ in measured], [[d] for _, _, d in measured], fixed
    )
    if not variances[-1].half():
        return nothing, None
    return _effect(beta[-1], variances[-1], len(measured), missing), variances[-1].p_value(abs(beta[-1]))


def _together(
    kept: Sequence[tuple[Verdict, float]],
    differences: Mapping[str, Sequence[float | None]],
    fixed: Container[str] | None,
) -> dict[str, Estimate] | None:
    """The effects of all features in one model, over the verdicts that have them all;
    ``None`` where these are too few.
    """
    names = [name for name, values in differences.items() if any(values)]
    whole = [
        place for place in range(len(kept)) if all(differences[name][place] is not None for name in names)
    ]
    terms = [[differences[name][place] or 0.0 for name in names] for place in whole]
    names_varied = [name for column, name in enumerate(names) if any(row[column] for row in terms)]
    columns = len({(kept[place][0].a, kept[place][0].b) for place in whole}) + 1 + len(names)
    prompts = len({kept[place][0].prompt_id for place in whole})
    if not names_varied or len(whole) < ENOUGH * (len(names_varied) + 2) or len(names_varied) < len(names):
        return None
    if prompts <= columns:  # no interval over fewer prompts than coefficients
        return None
    beta, variances = _fitted(
        [kept[place][0] for place in whole], [kept[place][1] for place in whole], terms, fixed
    )
    found = zip(names, beta[-len(names) :], variances[-len(names) :], strict=True)
    return {
        name: _effect(middle, variance, len(whole), len(kept) - len(whole))
        for name, middle, variance in found
    }


def _effect(middle: float, variance: Crossed, n: int, missing: int) -> Estimate:
    half, middle = variance.half(), float(middle)
    method = f"logistic regression at equal length; sandwich interval over {over(variance)}"
    return Estimate(middle, middle - half, middle + half, n, missing, method)


def _fitted(
    verdicts: Sequence[Verdict],
    outcomes: Sequence[float],
    terms: Sequence[Sequence[float]],
    fixed: Container[str] | None,
) -> tuple[npt.NDArray[np.float64], list[Crossed]]:
    """Coefficients and their variances: one intercept a pair of arms, then length, then ``terms``."""
    met: dict[tuple[str, str], int] = {}
    place = [met.setdefault((v.a, v.b), len(met)) for v in verdicts]
    pairs = np.eye(len(met))[place]
    lengths = np.array([[v.length_a, v.length_b] for v in verdicts], dtype=float)
    length = FORMS[CHOSEN](lengths[:, 0], lengths[:, 1])
    features = [_scaled(column) for column in np.array(terms, dtype=float).T]
    design = np.column_stack([pairs, length, *features])
    seeds = None if fixed is None else numbered([(v.a, v.b) for v in verdicts], fixed)
    return fit(design, np.array(outcomes), [v.prompt_id for v in verdicts], seeds)


def _scaled(differences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Differences over their robust scale, at most ``MOST`` of them: zero stays zero."""
    return np.asarray(np.clip(differences / robust_scale(differences), -MOST, MOST))
