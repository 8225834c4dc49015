"""Logistic regression of few terms, with intervals that know that verdicts on one prompt depend on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handpicked.analyze import bootstrap

if TYPE_CHECKING:
    import numpy as np

RIDGE = 0.04
STEPS = 50
CLOSE = 1e-10


def fit(x: np.ndarray, y: np.ndarray, prompts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their covariance, by Newton's method with a weak ridge.

    The ridge (a normal prior of standard deviation 5 on every coefficient) keeps them finite where one side
    always wins. The covariance is the sandwich of White (1980), summed over prompts (Liang and Zeger, 1986),
    with the usual factor for few prompts.
    """
    import numpy as np

    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ beta))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(beta))
        step = np.linalg.solve(hessian, x.T @ (y - p) - RIDGE * beta)
        beta = beta + step
        if np.abs(step).max() < CLOSE:
            break
    p = 1 / (1 + np.exp(-x @ beta))
    bread = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(beta)))
    scores = bootstrap.totals_by_prompt(prompts, x * (y - p)[:, None])
    n = len(scores)
    meat = scores.T @ scores * (n / max(1, n - 1))
    return beta, bread @ meat @ bread
