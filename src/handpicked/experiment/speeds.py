"""What a dry run assumes of models and machines that are not available here.

Operations follow Kaplan et al. (2020, arXiv 2001.08361): for each weight and token 2 forward and 4 backward.
Frozen weights save a third of these six, recomputed activations add a third.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from handpicked.config import GenerateSettings, TrainSettings
from handpicked.train.estimate import ModelSize

GPU_FLOPS = 150e12
"""Operations a second of one data-centre GPU in bfloat16 (some 40 to 50% of an A100's peak)."""
CPU_FLOPS = 0.078e12
"""Operations a second of two CPU cores in float32 (measured with the bundled model: 0.05 on one busy core to 0.13)."""

ON_CPU = 1_000_000_000
"""Weights beyond which work without a GPU is unrealistic: times are then those of a GPU."""
CPU_BYTES = 7e9
"""Bytes of weights that two CPU cores read a second: every new token of a batch reads all of them."""
GPU_STEP, VLLM_STEP = 0.03, 0.01
"""Overhead in seconds of a decoding step on a GPU, in transformers and in vLLM."""
VLLM_BATCH = 256
"""Answers that vLLM decodes at a time."""
CPU_LOAD, GPU_LOAD = 10.0, 3.0
"""Seconds to load a billion weights, from a file that was read not long ago."""
TRAIN_START = 10.0
"""Seconds until a training's own process has imported its libraries."""
CPU_PASS, GPU_PASS = 9.0, 0.05
"""Seconds of a forward and backward pass beside its operations: on a CPU for a billion weights, on a GPU for
any model. A pass over few tokens takes hardly less than this.
"""
EMBED_START, EMBED_SECONDS = 0.5, 0.018
"""Seconds to load the embedder, and to embed a text of some hundred tokens on two CPU cores."""
REPLY_SECONDS = 4.0
"""Seconds until an endpoint has replied."""
REPORT_SECONDS = 11.0
"""Seconds for the audit of the subsets and the report."""


def on_gpu(weights: int, gpu: bool) -> bool:
    """Whether the times of a model are those of a GPU."""
    return gpu or weights > ON_CPU


def load_seconds(weights: int, *, gpu: bool) -> float:
    """To load a model once."""
    return weights / 1e9 * (GPU_LOAD if on_gpu(weights, gpu) else CPU_LOAD)


def forward_seconds(weights: int, tokens: float, *, gpu: bool) -> float:
    """One forward pass over ``tokens``: 2 operations a weight a token."""
    return 2.0 * weights * tokens / (GPU_FLOPS if on_gpu(weights, gpu) else CPU_FLOPS)


def forward_hours(tokens: int, weights: Sequence[int | None], gpu: bool = False) -> float | None:
    """One forward pass over ``tokens`` by each of the models; None where one's size is unknown."""
    known = [each for each in weights if each is not None]
    if len(known) < len(weights):
        return None
    return round(sum(forward_seconds(each, tokens, gpu=gpu) for each in known) / 3600, 3)


def generate_seconds(
    weights: int, prompts: int, prompt_tokens: float, settings: GenerateSettings, *, gpu: bool
) -> float:
    """To answer ``prompts`` of ``prompt_tokens`` tokens in all, if every answer has ``max_new_tokens``."""
    batch = min(prompts, VLLM_BATCH if settings.engine == "vllm" else settings.batch_size)
    if not batch:
        return 0.0
    apart = VLLM_STEP if settings.engine == "vllm" else GPU_STEP
    reading = apart if on_gpu(weights, gpu) else 4.0 * weights / CPU_BYTES
    step = reading + forward_seconds(weights, batch, gpu=gpu)
    steps = -(-prompts // batch) * settings.max_new_tokens
    return steps * step + forward_seconds(weights, prompt_tokens, gpu=gpu)


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


def train_seconds(
    size: ModelSize, settings: TrainSettings, tokens: int, steps: int, *, ranks: int, gpu: bool
) -> float:
    """To train on ``tokens`` in all on ``ranks`` devices, without loading the model."""
    a_pass = GPU_PASS if gpu else CPU_PASS * size.weights / 1e9
    passes = steps * -(-settings.batch_size // (settings.micro_batch_size * ranks))
    return TRAIN_START + passes * a_pass + tokens / (ranks * tokens_per_second(size, settings, gpu=gpu))
