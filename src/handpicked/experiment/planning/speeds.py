"""How long work takes on a machine, which a dry run measures or, where it is not here, assumes.

Operations follow Kaplan et al. (2020, arXiv 2001.08361): for each weight and token 2 forward and 4 backward.
Frozen weights save a third of these six, recomputed activations add a third.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from handpicked.config import GenerateSettings, TrainSettings
from handpicked.errors import MissingPart
from handpicked.train.estimate import ModelSize
from handpicked.workers.devices import Device, parse_devices
from handpicked.workers.machine import CPU, GIB, Machine, assumed, fastest, this_machine

REACHED = 0.75
"""Share of the fastest matrix products that training and forward passes reach on a CPU."""
STEP_READS, PASS_READS = 3.3, 20.0
"""How often a decoding step, and a training pass, reads all weights on a CPU, as its time shows it."""

ON_CPU = 1_000_000_000
"""Weights beyond which work without a GPU is unrealistic: times are then those of a GPU."""
CPU_MEMORY = 20 * GIB
"""Bytes of one training beyond which a CPU is too slow for it: a missing GPU is reported."""
VLLM_STEP = 0.01
"""Overhead in seconds of a decoding step on a GPU in vLLM."""
VLLM_BATCH = 256
"""Answers that vLLM decodes at a time."""
TRAIN_START = 10.0
"""Seconds until a training's own process has imported its libraries."""
EMBED_START, EMBED_SECONDS = 0.5, 0.014
"""Seconds to load the embedder, and to embed a text of some hundred tokens on two CPU cores."""
REPORT_SECONDS = 11.0
"""Seconds for the audit of the subsets and the report."""


class Speed(Protocol):
    """How fast one device works."""

    @property
    def operations(self) -> float:
        """A second, in training and in forward passes over many tokens."""
        ...

    @property
    def says(self) -> str:
        """The speed, in words."""
        ...

    def load_seconds(self, weights: int) -> float:
        """To load a model once."""
        ...

    def step_seconds(self, weights: int) -> float:
        """Of a decoding step beside its operations."""
        ...

    def pass_seconds(self, weights: int) -> float:
        """Of a forward and backward pass beside its operations: one over few tokens takes hardly less."""
        ...


@dataclass(frozen=True)
class GpuSpeed:
    """A data-centre GPU in bfloat16: some 40 to 50% of an A100's peak."""

    operations: float = 150e12

    @property
    def says(self) -> str:
        """See ``Speed``."""
        return f"{self.operations / 1e12:.0f} TFLOP/s on each GPU, which was not measured"

    def load_seconds(self, weights: int) -> float:
        """From a file that was read not long ago."""
        return 3.0 * weights / 1e9

    def step_seconds(self, weights: int) -> float:
        """In transformers, for any model."""
        return 0.03

    def pass_seconds(self, weights: int) -> float:
        """For any model."""
        return 0.05


@dataclass(frozen=True)
class CpuSpeed:
    """A CPU in float32, which reads ``bytes`` a second of weights that are multiplied by a single vector."""

    operations: float
    bytes: float

    @property
    def says(self) -> str:
        """See ``Speed``."""
        return (
            f"training at {self.operations / 1e9:.0f} GFLOP/s, and {self.bytes / 1e9:.0f} GB/s of weights read, "
            "as this CPU does just now"
        )

    def load_seconds(self, weights: int) -> float:
        """From a file that was read not long ago."""
        return 10.0 * weights / 1e9

    def step_seconds(self, weights: int) -> float:
        """Every new token of a batch reads all weights."""
        return STEP_READS * 4.0 * weights / self.bytes

    def pass_seconds(self, weights: int) -> float:
        """It reads all weights several times."""
        return PASS_READS * 4.0 * weights / self.bytes


def measured_cpu(devices: int = 1) -> CpuSpeed:
    """The speed of one of ``devices`` equal parts of this CPU, as busy as it is now."""
    many = np.ones((1024, 768), np.float32)
    square = np.ones((768, 768), np.float32)
    operations = 2 * many.size * 768 / fastest(lambda: many @ square)
    one = np.ones(576, np.float32)
    weights = np.ones((40, 1536, 576), np.float32)  # 142 MB, more than a cache holds
    read = weights.nbytes / fastest(lambda: [matrix @ one for matrix in weights])
    return CpuSpeed(REACHED * operations / devices, read / devices)


def machine_for(devices: str = "all", assume: str | None = None) -> Machine:
    """The machine to plan for: the one that ``assume`` writes, else those ``devices`` of this one; a CPU where
    torch, which is needed to find GPUs, is missing.
    """
    if assume is not None:
        return assumed(assume)
    try:
        return this_machine(parse_devices(devices))
    except MissingPart:
        return CPU


@dataclass(frozen=True)
class Hardware:
    """A machine to plan for, and how fast one of its devices works."""

    machine: Machine
    speed: Speed

    @classmethod
    def of(cls, machine: Machine) -> Hardware:
        """``machine`` with its speed, measured where it is this CPU."""
        return cls(machine, GpuSpeed() if machine.gpu else measured_cpu(len(machine.devices)))


A_GPU = Hardware(Machine((Device("cuda"),), None, "a GPU"), GpuSpeed())
"""What to plan for where a model is too large for this CPU."""


def speed_for(weights: int, speed: Speed) -> Speed:
    """The speed that the times of a model are estimated with: a GPU's where it is too large for a CPU."""
    return GpuSpeed() if weights > ON_CPU else speed


def load_seconds(weights: int, speed: Speed) -> float:
    """To load a model once."""
    return speed_for(weights, speed).load_seconds(weights)


def forward_seconds(weights: int, tokens: float, speed: Speed) -> float:
    """One forward pass over ``tokens``: 2 operations a weight a token."""
    return 2.0 * weights * tokens / speed_for(weights, speed).operations


def forward_hours(tokens: int, weights: Sequence[int | None], speed: Speed) -> float | None:
    """One forward pass over ``tokens`` by each of the models; None where one's size is unknown."""
    known = [each for each in weights if each is not None]
    if len(known) < len(weights):
        return None
    return round(sum(forward_seconds(each, tokens, speed) for each in known) / 3600, 3)


def generate_seconds(
    weights: int, prompts: int, prompt_tokens: float, settings: GenerateSettings, speed: Speed
) -> float:
    """To answer ``prompts`` of ``prompt_tokens`` tokens in all, if every answer has ``max_new_tokens``."""
    vllm = settings.engine == "vllm"
    batch = min(prompts, VLLM_BATCH if vllm else settings.batch_size)
    if not batch:
        return 0.0
    apart = VLLM_STEP if vllm else speed_for(weights, speed).step_seconds(weights)
    step = apart + forward_seconds(weights, batch, speed)
    steps = -(-prompts // batch) * settings.max_new_tokens
    return steps * step + forward_seconds(weights, prompt_tokens, speed)


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


def train_seconds(
    size: ModelSize, settings: TrainSettings, tokens: int, steps: int, *, ranks: int, speed: Speed
) -> float:
    """To train on ``tokens`` in all on ``ranks`` devices, without loading the model."""
    a_token = (6.0 if settings.method == "full" else 4.0) + (2.0 if settings.gradient_checkpointing else 0.0)
    on = speed_for(size.weights, speed)
    passes = steps * -(-settings.batch_size // (settings.micro_batch_size * ranks))
    computing = a_token * size.weights * tokens / (ranks * on.operations)
    return TRAIN_START + passes * on.pass_seconds(size.weights) + computing
