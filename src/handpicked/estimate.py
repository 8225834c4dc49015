"""What training would take, by arithmetic: parameters, memory, floating-point operations. Nothing is loaded or run.

Memory per token of activations follows Korthikanti et al. (2022, arXiv 2205.05198), equation 1, without the attention
matrix, which fused attention does not keep. Operations follow Kaplan et al. (2020, arXiv 2001.08361): 2 a parameter a
token forward, 4 backward; frozen weights save a third of it, recomputed activations add a third.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.config import TrainSettings

GPU_FLOPS = 150e12
"""Operations a second assumed of one data-centre GPU in bfloat16 (some 40 to 50% of an A100's peak)."""
CPU_FLOPS = 0.06e12
"""Operations a second assumed of two CPU cores in float32 (measured with the bundled model)."""


@dataclass(frozen=True)
class Shape:
    """A model's size. ``stated`` says where it is from, because a shape guessed from a name is a guess."""

    parameters: float
    layers: int
    hidden: int
    vocabulary: int
    stated: str


def shape_of(name: str, folder: Path | None) -> Shape | None:
    """The shape from a model folder's config.json, else guessed from a size in the name ("7b"), else None."""
    if folder is not None and (folder / "config.json").is_file():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return _from_config(config)
    found = re.search(r"(\d+(?:\.\d+)?)\s*([bm])(?![a-z])", name.lower())
    if found is None:
        return None
    parameters = float(found.group(1)) * (1e9 if found.group(2) == "b" else 1e6)
    # A decoder of width h and h/128 layers (as LLaMA 7B and 13B are, nearly) has about 12 h^2 parameters a layer.
    hidden = round((parameters * 128 / 12) ** (1 / 3) / 128) * 128
    return Shape(
        parameters,
        max(1, hidden // 128),
        hidden,
        32_000,
        f"guessed from the size in its name ({found.group(0)})",
    )


def _from_config(config: dict[str, Any]) -> Shape:
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    key_value = config.get("num_key_value_heads", heads) * head
    attention = 2 * hidden * heads * head + 2 * hidden * key_value
    feed_forward = 3 * hidden * config.get("intermediate_size", 4 * hidden)
    embeddings = config["vocab_size"] * hidden * (1 if config.get("tie_word_embeddings", True) else 2)
    return Shape(
        layers * (attention + feed_forward) + embeddings,
        layers,
        hidden,
        config["vocab_size"],
        "its config.json",
    )


def trainable(shape: Shape, settings: TrainSettings) -> float:
    """Parameters that get a gradient: all, or the LoRA matrices (about 7 linear maps a layer, 18 hidden widths in all)."""
    if settings.method == "full":
        return shape.parameters
    return float(shape.layers * 18 * shape.hidden * settings.lora_rank)


def memory_bytes(shape: Shape, settings: TrainSettings, *, bytes_a_number: int) -> float:
    """Device memory at the peak: weights, gradients, AdamW's two moments, activations and logits of one micro-batch."""
    weights = shape.parameters * (0.55 if settings.method == "qlora" else bytes_a_number)
    learned = trainable(shape, settings) * 3 * bytes_a_number
    tokens = settings.micro_batch_size * settings.max_length
    a_layer = tokens * shape.hidden * 17 * bytes_a_number
    kept = tokens * shape.hidden * bytes_a_number * shape.layers
    activations = kept + a_layer if settings.gradient_checkpointing else a_layer * shape.layers
    logits = tokens * shape.vocabulary * (bytes_a_number + 4)
    return weights + learned + activations + logits


def flops(shape: Shape, settings: TrainSettings, tokens: float) -> float:
    """Operations to train on ``tokens`` tokens."""
    a_token = 6.0 if settings.method == "full" else 4.0
    if settings.gradient_checkpointing:
        a_token += 2.0
    return a_token * shape.parameters * tokens
