"""The difference of two arms on the same prompts: losses on the references, grades, lengths."""

from __future__ import annotations

from collections.abc import Mapping

from handpicked.analyze import bootstrap
from handpicked.records import Estimate


def paired_difference(
    a: Mapping[str, float | None], b: Mapping[str, float | None], *, seed: int = 0
) -> Estimate:
    """The mean of a - b over the prompts that both have a value for, keyed by prompt, with a bootstrap
    interval.

    Negative is better for ``a`` where the values are losses. ``missing`` counts prompts that lack a value on
    either side. Pairing takes the prompts' own difficulty out of the comparison (Miller, 2024, "Adding error
    bars to evals", section 4.2).
    """
    prompts = list(dict.fromkeys((*a, *b)))
    differences = {}
    for prompt in prompts:
        left, right = a.get(prompt), b.get(prompt)
        if left is not None and right is not None:
            differences[prompt] = left - right
    missing = len(prompts) - len(differences)
    return bootstrap.mean(list(differences), list(differences.values()), missing=missing, seed=seed)
