"""Estimates the cost of a scorer by a model before it begins, from a sample of rows and a short measurement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from handpicked.config import ModelSettings
from handpicked.models.load import device, dtype_of
from handpicked.records import Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.workers.machine import fastest

if TYPE_CHECKING:
    import torch

SAMPLE = 256
"""Rows that are tokenised for a forecast."""

SHARE = 0.85
"""Of the matrix-product rate of the machine, what a model reaches in practice, where passes run side by side.
"""


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
    model: ModelSettings,
    *,
    operations: float = 2,
    more_tokens: int = 0,
) -> Forecast:
    """Rows, tokens and time.

    ``tokens_of`` counts the tokens that the model reads of a row; ``weights`` are those of ``weights_of``;
    ``operations`` are those a weight and a token (2 forward, about 6 with the backward pass); ``more_tokens``
    are read beside the rows, such as those of a target set.
    """
    found, count = sampled(pool, rows)
    tokens = round(sum(map(tokens_of, found)) / max(1, len(found)) * count) + more_tokens
    seconds = operations * weights * tokens / (SHARE * product_rate(dtype_of(model)))
    sentence = (
        f"about {tokens:,} tokens in {count:,} rows, through {model.name} of {weights / 1e6:,.1f} million "
        "weights beside its vocabulary: about "
        f"{in_words(seconds)} on this {device()}"
    )
    return Forecast(sentence, seconds)


def most_seconds(weights: int, tokens: int) -> float:
    """The most time that a pass of float32 over ``tokens`` takes here, by a model with so many weights, those
    of its vocabulary included.
    """
    import torch

    return 2 * weights * tokens / (SHARE * product_rate(torch.float32))


def product_rate(dtype: torch.dtype) -> float:
    """Operations a second of matrix products here, in numbers of this type: the best of a
    few, some tenths of a second.
    """
    import torch

    size = 4096 if device() == "cuda" else 768
    left = torch.ones(1024, size, dtype=dtype, device=device())
    right = torch.ones(size, size, dtype=dtype, device=device())
    # Reading a number waits for the device.
    return 2 * 1024 * size * size / fastest(lambda: float((left @ right)[0, 0]))


def weights_of(build: Callable[[], Any]) -> int:
    """Weights of the model that ``build`` makes, which is given no memory for them, less its
    embeddings and output head.

    The head multiplies a row's last place or a few, not every token.
    """
    import torch

    with torch.device("meta"):
        model = build()
    aside = [
        part.weight
        for part in (model.get_input_embeddings(), model.get_output_embeddings())
        if part is not None
    ]
    return sum(weight.numel() for weight in model.parameters() if all(weight is not one for one in aside))


def stored_weights(place: Path | str) -> int:
    """The number of weights of a model folder, from the headers of its files; 0 for a model that is not here."""
    from safetensors import safe_open

    if isinstance(place, str):
        try:
            from huggingface_hub import snapshot_download

            place = Path(snapshot_download(place, local_files_only=True))
        except OSError:
            return 0
    total = 0
    for file in place.glob("*.safetensors"):
        with safe_open(file, "np") as tensors:
            total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return total


def characters(pool: Pool, rows: Sequence[int] | None) -> tuple[tuple[int, int], int]:
    """Characters of prompts and of responses, and the rows they belong to."""
    wanted = None if rows is None else pa.array(rows, pa.int64())
    prompts = responses = count = 0
    for shard in pool.shards:
        for batch in shard.read(["row", "prompt", "response"]):
            few = batch if wanted is None else batch.filter(pc.is_in(batch["row"].cast(pa.int64()), wanted))
            prompts += pc.sum(pc.utf8_length(few["prompt"])).as_py() or 0
            responses += pc.sum(pc.utf8_length(few["response"])).as_py() or 0
            count += len(few)
    return (prompts, responses), count


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
