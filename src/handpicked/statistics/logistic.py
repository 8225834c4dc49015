"""Logistic regression with few terms, and intervals that account for several verdicts on one prompt."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from handpicked.statistics.crossed import Crossed, crossed

RIDGE = 0.04
STEPS = 50
AT_ONCE = 2_000_000
"""Numbers of weights that are fitted at once."""
CLOSE = 1e-10
LONGEST_STEP = 5.0
"""Log-odds that one Newton step may move a coefficient, so that a start far away does not overshoot."""
APART = 1.0
"""Log-odds by which a coefficient grows when the ridge is made a hundred times weaker,
where nothing else bounds it.
"""


def fit(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    prompts: Sequence[Hashable],
    seeds: Sequence[Hashable] | None = None,
) -> tuple[npt.NDArray[np.float64], list[Crossed]]:
    """Coefficients [k] and the variances of each over prompts and seeds, by Newton's
    method with a weak ridge.

    The ridge (a normal prior of standard deviation 5 on every coefficient) keeps them finite where one side
    always wins: ``separated`` says whether nothing else does. The variances are the diagonal of the sandwich
    of White (1980), summed over prompts (Liang and Zeger, 1986) and seeds (``crossed``), times (P - 1) / (P -
    k) for P prompts, as k coefficients fitted to few prompts make the residuals small (MacKinnon and White,
    1985).
    """
    beta, parts = influences(x, y)
    clusters, k = len(set(prompts)), len(beta)
    few = ((clusters - 1) / (clusters - k)) ** 0.5 if clusters > k else float("inf")
    return beta, [crossed(few * column, prompts, seeds) for column in parts.T]


def influences(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Coefficients [k] and each row's influence on them [n, k]: the inverse Hessian times the row's score.

    Their sums over clusters make the sandwich. ``x`` [n, k] includes the intercept, if there is one.
    """
    beta = _coefficients(x, y, np.ones((1, len(y))))[0]
    p = _probability(x @ beta)
    inverse = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(beta)))
    return beta, x * (y - p)[:, None] @ inverse


def rate_at_zero(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """The win rate where every term is 0, by logistic regression with an intercept: [r], 0 to 1.

    ``x`` [n, k] are terms that are 0 where both answers are alike; ``y`` [n] outcomes from 0 to 1, a tie 0.5.
    ``weights`` [r, n] has one row a resample, all of which are fitted together from the fit to all rows;
    without it there is one row of ones. A resample that draws nothing has no value (NaN).
    """
    design = np.column_stack([np.ones(len(y)), x])
    ones = np.ones((1, len(y)))
    start = _coefficients(design, y, ones)
    if weights is None:
        return _probability(start[:, 0])
    at_once = max(1, AT_ONCE // max(1, len(y)))
    parts = [
        _coefficients(design, y, part, start[0])
        for part in (weights[i : i + at_once] for i in range(0, len(weights), at_once))
    ]
    rates = _probability(np.concatenate(parts)[:, 0])
    return np.where(weights.sum(axis=1) > 0, rates, np.nan)


def separated(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> bool:
    """Whether the terms decide every outcome, so that the likelihood has no maximum
    (Albert and Anderson, 1984).

    Then only the ridge bounds the coefficients, and a weaker one moves them. ``x`` [n,
    k] includes the intercept.
    """
    ones = np.ones((1, len(y)))
    weak, weaker = (_coefficients(x, y, ones, ridge=RIDGE / by) for by in (1e4, 1e6))
    return bool(np.abs(weaker - weak).max() > APART)


def _coefficients(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64] | None = None,
    ridge: float = RIDGE,
) -> npt.NDArray[np.float64]:
    """The penalised maximum of the likelihood for each row of ``weights`` [r, n]: [r, k]."""
    k = x.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), k * k)
    beta = np.zeros((len(weights), k)) if start is None else np.tile(start, (len(weights), 1))
    for _ in range(STEPS):
        p = _probability(beta @ x.T)
        hessian = ((weights * p * (1 - p)) @ products).reshape(-1, k, k) + ridge * np.eye(k)
        gradient = (weights * (y - p)) @ x - ridge * beta
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        beta = beta + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < CLOSE:
            break
    return beta


def _probability(log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
