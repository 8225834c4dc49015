"""Training seeds: an arm that was trained several times is one arm, and its intervals say so.

``mean`` is over prompts and seeds (see ``crossed``). What resampling is left, for size curves, draws both, independently of
each other: the pigeonhole bootstrap of Owen (2007, Annals of Applied Statistics 1(2), 386-411), which errs on the wide side.
Of K seeds, K - 1 are drawn with replacement, which makes the variance of their mean unbiased (Rao and Wu, 1988, JASA 83,
231-241); drawing K of so few would halve it for two seeds.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from handpicked.analyze import bootstrap, estimates
from handpicked.records import Estimate

if TYPE_CHECKING:
    import numpy as np

Values = Mapping[str, "float | None"]
"""One value a prompt, by prompt id; ``None`` where there is none."""


def mean(seeds: Sequence[Values], *, share: bool = False, groups: Sequence[int] | None = None) -> Estimate:
    """The mean of all values, with an interval over prompts and, where there are several, seeds.

    ``seeds`` has one mapping a seed. ``share`` says that values lie from 0 to 1. ``groups`` has a number for each mapping,
    where some of them depend on each other (see ``groups``). ``n`` counts values, ``missing`` the ``None`` among them; a
    seed without any value is said in ``method``.
    """
    numbers = groups if groups is not None else range(len(seeds))
    known = [
        (prompt, value, group)
        for values, group in zip(seeds, numbers, strict=True)
        for prompt, value in sorted(values.items())
        if value is not None
    ]
    missing = sum(len(values) for values in seeds) - len(known)
    simple = estimates.share if share else estimates.mean
    found = simple(
        [prompt for prompt, *_ in known],
        [value for _, value, _ in known],
        seeds=[group for *_, group in known],
        missing=missing,
    )
    empty = sum(all(value is None for value in values.values()) for values in seeds)
    if empty == 0 or not known:
        return found
    return replace(found, method=f"{found.method}; {empty} of {len(seeds)} seeds have no value")


def difference(a: Sequence[Values], b: Sequence[Values]) -> Estimate:
    """The mean of a - b over the prompts that both have, seed by seed, as ``differences`` pairs them."""
    return mean(differences(a, b), groups=paired_groups(len(a), len(b)))


def paired_groups(a: int, b: int) -> list[int]:
    """``groups`` of the differences of ``a`` seeds and ``b`` others."""
    return groups([(str(i % a), str(i % b)) for i in range(max(a, b))])


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


def groups(met: Sequence[tuple[str, str]], fixed: Container[str] = ()) -> list[int]:
    """The number of the seed that each meeting of two models counts as: those that share a model count as one.

    So three seeds that meet two, of which one meets two of them, are two. A model that is ``fixed``, the one training of
    its arm, is shared without that, and so is one that is a whole side. Meetings of fixed models alone count as one. Where
    everything is shared, the meetings count by the side of fewer models.
    """
    sides = [column for column in zip(*met, strict=True) if len(set(column)) > 1]
    varied = [[None if model in fixed else model for model in column] for column in sides]
    still = [all(column[i] is None for column in varied) for i in range(len(met))]
    number = [-1 if fast else i for i, fast in enumerate(still)]
    moved = True
    while moved:
        before = list(number)
        for column in varied:
            least: dict[str, int] = {}
            for model, own in zip(column, number, strict=True):
                if model is not None:
                    least[model] = min(own, least.get(model, own))
            number = [
                own if model is None else least[model] for model, own in zip(column, number, strict=True)
            ]
        moved = number != before
    if len(set(number)) == 1 and number[:1] != [-1]:
        fewer: list[str | None] = min(varied, key=lambda column: len(set(column)))
        places = {model: place for place, model in enumerate(dict.fromkeys(fewer))}
        return [places[model] for model in fewer]
    return number


def numbered(met: Sequence[tuple[str, str]], fixed: Container[str] = ()) -> list[int]:
    """``groups`` for meetings that occur many times, as verdicts name them: all alike where they are of the same two models."""
    kinds = list(dict.fromkeys(met))
    number = dict(zip(kinds, groups(kinds, fixed), strict=True)) if kinds else {}
    return [number[models] for models in met]


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
