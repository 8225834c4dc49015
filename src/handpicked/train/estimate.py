"""Estimates the memory, steps and tokens of a training for the dry run, before any weight is loaded.

Steps and tokens are those of ``plan`` for rows of a given mean length. Memory is, in bytes, with
P weights, T trained ones:

* weights: 4 P in float32, 2 P in 16 bits, about 0.55 P in 4 bits with their scales; full
  fine-tuning keeps float32;
* gradients 4 T and AdamW's two moments 8 T (trained weights are float32);
* activations of a forward pass kept for the backward one: n tokens x L layers x (34 h + 6 m) values of 16
  bits, twice that in float32 (Korthikanti et al., 2022, eq. 2, without attention scores, which fused kernels
  do not keep; h hidden size, m the feed-forward's), or n x L x 2 h with gradient checkpointing;
* logits and their gradient: 8 n V in float32 for a vocabulary of V.

Of several devices, each has its own activations and logits. Under DDP each has all the rest, and the
gradients once more in the buckets that are sent. Under FSDP2 each has its share of the rest, and whole as
they compute, with their gradients, two layers and the embeddings with the head (Zhao et al., 2023, arXiv
2304.11277, section 3: what is gathered is a unit, and the next one on its way).

It is a rough figure, good to a factor of about 1.5; allocator waste and framework overhead come on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import MissingPart
from handpicked.models.load import pinned, resolve

if TYPE_CHECKING:
    from transformers import PretrainedConfig


GIB = 1024**3


@dataclass(frozen=True)
class ModelSize:
    """A model's shape. ``weights`` counts every weight, tied ones once."""

    weights: int
    layers: int
    hidden: int
    feed_forward: int
    vocabulary: int
    linear_in_out: int
    """Sum of input and output widths over all linear layers: LoRA of rank r trains r times as many weights.
    """


@dataclass(frozen=True)
class Work:
    """What is to be trained: ``rows`` of ``tokens_per_row`` tokens (prompt, template and response) on average
    and ``longest_row`` at most (``None``: the average), on a model of that ``size``.
    """

    rows: int
    tokens_per_row: float
    longest_row: float | None
    size: ModelSize


@dataclass(frozen=True)
class TrainEstimate:
    """``tokens`` over all epochs; ``memory`` in bytes on each device."""

    rows: int
    places: int
    steps: int
    tokens: int
    trained_weights: int
    memory: int


def model_size(model: ModelSettings) -> ModelSize:
    """The shape of a model, from its configuration alone: the model is built without memory for its weights.

    Raises ConfigError and MissingPart as ``resolve`` does; MissingPart too when a hub model's
    configuration is not available.
    """
    place = resolve(model)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            place, revision=pinned(model), trust_remote_code=model.trust_remote_code
        ).get_text_config()
    except OSError as error:
        raise MissingPart(f"The configuration of '{model.name}' cannot be read: {error}") from error
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(config)
    head = built.get_output_embeddings()
    linear = [m for m in built.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    return ModelSize(
        weights=sum(weight.numel() for weight in built.parameters()),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        feed_forward=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        vocabulary=config.vocab_size,
        linear_in_out=sum(module.in_features + module.out_features for module in linear),
    )


def estimate(
    work: Work,
    settings: TrainSettings,
    *,
    bytes_per_weight: float = 2,
    ranks: int = 1,
    sharded: bool = False,
) -> TrainEstimate:
    """What the training will take.

    Memory is that of the heaviest batch: of the longest rows, or of packed ones. ``bytes_per_weight`` is 2
    for bfloat16 and 4 for float32; the method overrides it where it fixes the type. ``ranks`` devices train;
    ``sharded``: by FSDP2.
    """
    size, length = work.size, min(work.tokens_per_row, settings.max_length)
    places = places_of(work.rows, length, settings)
    full = settings.method == "full"
    trained = size.weights if full else settings.lora_rank * size.linear_in_out
    held = {"full": 4.0, "lora": bytes_per_weight, "qlora": 0.55}[settings.method]
    kept = 2 if settings.gradient_checkpointing else 34
    feed_forward = 0 if settings.gradient_checkpointing else 6 * size.feed_forward
    heaviest = (
        settings.max_length if settings.packing else min(work.longest_row or length, settings.max_length)
    )
    batch = min(settings.micro_batch_size, max(1, settings.batch_size // ranks)) * heaviest
    activations = batch * size.layers * (kept * size.hidden + feed_forward) * (bytes_per_weight / 2)
    state = size.weights * held + 12 * trained
    if sharded:
        ends = 2 * size.vocabulary * size.hidden
        gathered = ends + 2 * (size.weights - ends) / size.layers
        state = state / ranks + 2 * bytes_per_weight * gathered
    elif ranks > 1:
        state += 4 * trained
    memory = state + activations + 8 * batch * size.vocabulary
    return TrainEstimate(
        rows=min(work.rows, places),
        places=places,
        steps=steps_of(places, settings),
        tokens=round(places * length),
        trained_weights=trained,
        memory=round(memory),
    )


def places_of(rows: int, tokens_per_row: float, settings: TrainSettings) -> int:
    """Rows that training goes through, epochs one after the other: those that the budget
    holds, or ``epochs`` passes.
    """
    if not rows:
        return 0
    if settings.budget_tokens is None:
        return max(1, round(settings.epochs * rows))
    return max(1, int(settings.budget_tokens / max(1.0, min(tokens_per_row, settings.max_length))))


def steps_of(places: int, settings: TrainSettings) -> int:
    """Optimizer steps over ``places`` rows; with packing too, whose steps hold ``batch_size`` rows on average."""
    return -(-places // settings.batch_size)
