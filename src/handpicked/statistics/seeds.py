"""Combines the results of an arm that was trained with several seeds."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from handpicked.records import Estimate
from handpicked.statistics import estimates

Values = Mapping[str, "float | None"]
"""One value a prompt, by prompt id; ``None`` where there is none."""


def mean(seeds: Sequence[Values], *, share: bool = False, groups: Sequence[int] | None = None) -> Estimate:
    """The mean of all values, with an interval over prompts and, where there are several, seeds.

    ``seeds`` has one mapping a seed. ``share`` says that values lie from 0 to 1. ``groups`` has a number for
    each mapping, where some of them depend on each other (see ``groups``). ``n`` counts values, ``missing``
    the ``None`` among them; a seed without any value is named in ``method``.
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
    """a - b prompt by prompt, seed by seed; the shorter list starts over. ``None`` where
    either side lacks a value.
    """
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
    """The number of the seed that each comparison of two models counts as: those that
    share a model count as one.

    So three seeds compared with two, of which one is compared with two of them, are two. A model that is
    ``fixed``, the one training of its arm, is shared without that, and so is one that is a whole side.
    Comparisons of fixed models alone count as one. Where everything is shared, the comparisons count by the
    side of fewer models.
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
    """``groups`` for comparisons that occur many times, as verdicts name them: all alike where they
    are of the same two models.
    """
    kinds = list(dict.fromkeys(met))
    number = dict(zip(kinds, groups(kinds, fixed), strict=True)) if kinds else {}
    return [number[models] for models in met]
