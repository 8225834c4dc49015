"""What a dry run assumes of models and machines that are not available here.

Operations follow Kaplan et al. (2020, arXiv 2001.08361): 2 a weight a token forward, 4 backward; frozen
weights save a third of the six, recomputed activations add a third.
"""

from __future__ import annotations

import re

from handpicked.config import TrainSettings
from handpicked.train.estimate import ModelSize

GPU_FLOPS = 150e12
"""Operations a second of one data-centre GPU in bfloat16 (some 40 to 50% of an A100's peak)."""
CPU_FLOPS = 0.06e12
"""Operations a second of two CPU cores in float32 (measured with the bundled model)."""


def guess_size(name: str) -> ModelSize | None:
    """A decoder's shape from a size in its name (``7b``, ``135M``), in LLaMA's proportions;
    None where there is none.

    With width h, h/128 layers and a feed-forward of 8/3 h, a layer has 12 h^2 weights:
    h = 4,096 gives LLaMA 7B.
    """
    found = re.search(r"(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", name.lower())
    if found is None:
        return None
    weights = float(found.group(1)) * (1e9 if found.group(2) == "b" else 1e6)
    hidden = round((weights * 128 / 12) ** (1 / 3) / 128) * 128
    layers, feed_forward = max(1, hidden // 128), round(8 / 3 * hidden)
    linear = layers * (4 * 2 * hidden + 3 * (hidden + feed_forward))
    return ModelSize(round(weights), layers, hidden, feed_forward, 32_000, linear)


def tokens_per_second(size: ModelSize, settings: TrainSettings, *, gpu: bool) -> float:
    """Training speed at the assumed operations a second."""
    a_token = (6.0 if settings.method == "full" else 4.0) + (2.0 if settings.gradient_checkpointing else 0.0)
    return (GPU_FLOPS if gpu else CPU_FLOPS) / (a_token * size.weights)
