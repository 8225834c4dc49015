"""The forms in which the lengths of two answers can enter the regression of the verdict.

Each takes the lengths [n] of both answers, in characters, and gives a term [n] that is 0 where they are
equally long, positive where ``a`` is longer, and turned around when the sides are. All are bounded, so that a
few answers that repeat themselves up to the token limit cannot rule the fit.
``design/0010-length-control.md`` compares them, with those that were rejected, on public verdicts and in
simulation; ``python -m benchmarks.length_control`` makes its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

NORMAL = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""

Form = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def damped_log_ratio(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """tanh(1.5 log((a + c) / (b + c))), where c is a third of the median length of all answers.

    Long answers are compared by their ratio and answers much shorter than c by their difference: 20 against
    10 characters is a smaller step than 2,000 against 1,000.
    """
    c = max(1.0, float(np.median(np.concatenate([a, b]))) / 3)
    return np.asarray(np.tanh(1.5 * np.log((a + c) / (b + c))))


def log_ratio(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """tanh(log((a + 1) / (b + 1)))."""
    return np.asarray(np.tanh(np.log((a + 1) / (b + 1))))


def difference(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """tanh((a - b) / scale): AlpacaEval 2's term with a scale, by the median, that long tails do not move."""
    return np.asarray(np.tanh((a - b) / robust_scale(a - b)))


def rank(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The rank of the absolute difference, as a share of all, with the sign of the difference."""
    size = np.abs(a - b)
    return np.asarray(np.sign(a - b) * np.searchsorted(np.sort(size), size, side="right") / len(size))


def robust_scale(differences: npt.NDArray[np.float64]) -> float:
    """The median of the absolute differences that are not 0, as a normal's standard
    deviation; 1 where all are 0.
    """
    size = np.abs(differences[differences != 0])
    return NORMAL * float(np.median(size)) if len(size) else 1.0


CHOSEN = "damped log ratio"
FORMS: Mapping[str, Form] = {
    CHOSEN: damped_log_ratio,
    "log ratio": log_ratio,
    "difference": difference,
    "rank": rank,
}
"""The chosen form first, then others that one could have chosen as well as not: bounded too,
and nearly as good a fit.
"""
