"""What a model-based scorer will take, told before it begins: tokens from a sample of rows, speed from a short measurement."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from handpicked.records import Example, Pool

SAMPLE = 256
"""Rows that are tokenised for a forecast."""

SHARE = 0.6
"""Of the matrix-product rate of the machine, what a model reaches in practice."""


def sampled(pool: Pool, rows: Sequence[int] | None) -> tuple[list[Example], int]:
    """At most ``SAMPLE`` rows, evenly spread, and how many rows there are in all."""
    wanted = range(pool.rows) if rows is None else rows
    step = max(1, -(-len(wanted) // SAMPLE))
    return list(pool.examples([wanted[place] for place in range(0, len(wanted), step)])), len(wanted)


def forecast(
    pool: Pool,
    rows: Sequence[int] | None,
    tokens_of: Callable[[Example], int],
    weights: int,
    model: str,
    *,
    operations: float = 2,
    more_tokens: int = 0,
) -> str:
    """A sentence: rows, tokens, time.

    ``tokens_of`` counts the tokens that the model reads of a row; ``operations`` are those a weight and a token (2 forward,
    about 6 with the backward pass); ``more_tokens`` are read beside the rows, such as those of a target set.
    """
    found, count = sampled(pool, rows)
    tokens = round(sum(map(tokens_of, found)) / max(1, len(found)) * count) + more_tokens
    rate, where = product_rate()
    seconds = operations * weights * tokens / (SHARE * rate)
    return (
        f"about {tokens:,} tokens in {count:,} rows, through {model} of {weights / 1e6:,.1f} million weights: about "
        f"{in_words(seconds)} on this {where}"
    )


def product_rate() -> tuple[float, str]:
    """Operations a second of a float32 matrix product here (bfloat16 on a GPU), and where: measured for a tenth of a second."""
    import torch

    from handpicked.models.load import device

    where = device()
    kind = torch.bfloat16 if where == "cuda" else torch.float32
    size = 4096 if where == "cuda" else 512
    left = torch.ones(size, size, dtype=kind, device=where)
    (left @ left).sum().item()
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < 0.1:
        (left @ left)[0, 0].item()
        rounds += 1
    return 2 * size**3 * rounds / (time.perf_counter() - began), where


def weights_of(build: Callable[[], Any]) -> int:
    """Weights of the model that ``build`` makes, which is given no memory for them."""
    import torch

    with torch.device("meta"):
        model = build()
    return sum(weight.numel() for weight in model.parameters())


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
