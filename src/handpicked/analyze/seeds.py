"""Means over prompts and training seeds: an arm that was trained several times is one arm, and its interval says so.

Prompts and seeds are crossed (every seed answers every prompt), so both are resampled, independently of each other: the
pigeonhole bootstrap of Owen (2007, Annals of Applied Statistics 1(2), 386-411), which errs on the wide side. Of K seeds,
K - 1 are drawn with replacement, which makes the variance of their mean unbiased (Rao and Wu, 1988, JASA 83, 231-241); drawing
K of so few would halve it for two seeds. No resampling makes much of two seeds: three are the least that is worth quoting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from handpicked.analyze import bootstrap
from handpicked.records import Estimate

if TYPE_CHECKING:
    import numpy as np

MANY = 2_000
"""Prompts from which those with equal values are drawn together, where they are of few kinds: right and wrong answers are."""

Values = Mapping[str, "float | None"]
"""One value a prompt, by prompt id; ``None`` where there is none."""


def mean(seeds: Sequence[Values], *, share: bool = False, seed: int = 0) -> Estimate:
    """The mean of all values, with an interval over prompts and, where there are several, seeds.

    ``seeds`` has one mapping a seed. ``share`` says that values lie from 0 to 1, so that Wilson's interval can speak where
    all are 0 or all are 1. ``n`` counts values, ``missing`` the ``None`` among them.
    """
    known = [{p: value for p, value in sorted(values.items()) if value is not None} for values in seeds]
    missing = sum(len(values) for values in seeds) - sum(len(values) for values in known)
    prompts = [prompt for values in known for prompt in values]
    flat = [value for values in known for value in values.values()]
    simple = bootstrap.share if share else bootstrap.mean
    if len(known) == 1 or not flat or len(set(prompts)) == 1 or (share and sum(flat) in (0, len(flat))):
        return simple(prompts, flat, missing=missing, seed=seed)
    totals = table(known, sorted(set(prompts)))
    draws = (
        _means(_sums_of_kinds(totals, seed), seed)
        if _few_kinds(totals)
        else resampled_means(totals, seed=seed)
    )
    low, high = bootstrap.interval(draws)
    method = f"bootstrap over {len(set(prompts))} prompts and {len(known)} seeds, {bootstrap.RESAMPLES} resamples, seed {seed}"
    return Estimate(sum(flat) / len(flat), low, high, len(flat), missing, method)


def differences(a: Sequence[Values], b: Sequence[Values]) -> list[dict[str, float | None]]:
    """a - b prompt by prompt, seed by seed; the shorter list starts over. ``None`` where either side lacks a value."""
    found = []
    for i in range(max(len(a), len(b))):
        left, right = a[i % len(a)], b[i % len(b)]
        both = {}
        for prompt in dict.fromkeys((*left, *right)):
            mine, other = left.get(prompt), right.get(prompt)
            both[prompt] = None if mine is None or other is None else mine - other
        found.append(both)
    return found


def table(seeds: Sequence[Values], prompts: Sequence[str]) -> np.ndarray:
    """Sums and counts of the values, [prompts, seeds, 2], in the order of ``prompts``."""
    import numpy as np

    found = np.zeros((len(prompts), len(seeds), 2))
    for k, values in enumerate(seeds):
        for p, prompt in enumerate(prompts):
            value = values.get(prompt)
            if value is not None:
                found[p, k] = value, 1
    return found


def resampled_means(totals: np.ndarray, *, seed: int = 0, stream: int = 0) -> np.ndarray:
    """Means of ``totals`` [prompts, seeds, 2] over resampled prompts and seeds: [resamples].

    Tables of equally many prompts share the prompts drawn, so that their means can be compared resample by resample;
    ``stream`` tells the draws of one arm's seeds from another's.
    """
    import numpy as np

    prompts, seeds, _ = totals.shape
    resamples = bootstrap.RESAMPLES
    at_once = max(1, bootstrap.DRAWS_AT_ONCE // prompts)
    flat = totals.reshape(prompts, seeds * 2)
    parts = [
        bootstrap.drawn(prompts, min(at_once, resamples - start), seed, start) @ flat
        for start in range(0, resamples, at_once)
    ]
    return _means(np.concatenate(parts).reshape(resamples, seeds, 2), seed, stream)


def _few_kinds(totals: np.ndarray) -> bool:
    """Whether so many prompts share so few rows of values that drawing by kind is cheaper than prompt by prompt."""
    import numpy as np

    rows = totals.reshape(len(totals), -1)
    return len(rows) > MANY and len(np.unique(rows, axis=0)) * 8 < len(rows)


def _sums_of_kinds(totals: np.ndarray, seed: int) -> np.ndarray:
    """Sums over resampled prompts, those with equal rows drawn together: the same distribution. [resamples, seeds, 2]."""
    rows = totals.reshape(len(totals), -1)
    sums: np.ndarray = bootstrap.resampled_totals(rows, bootstrap.RESAMPLES, seed)
    return sums.reshape(-1, *totals.shape[1:])


def _means(sums: np.ndarray, seed: int, stream: int = 0) -> np.ndarray:
    """Means over resampled seeds of ``sums`` [resamples, seeds, 2]: [resamples]."""
    import numpy as np

    resamples, seeds, _ = sums.shape
    if seeds == 1:
        means: np.ndarray = sums[:, 0, 0] / sums[:, 0, 1]
        return means
    rng = np.random.default_rng((seed, 1, stream))
    weights = rng.multinomial(seeds - 1, np.full(seeds, 1 / seeds), size=resamples)
    chosen = (weights[:, :, None] * sums).sum(axis=1)
    means = np.full(resamples, np.nan)
    np.divide(chosen[:, 0], chosen[:, 1], out=means, where=chosen[:, 1] > 0)
    return means
