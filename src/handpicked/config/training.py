"""The model to start from, and how it is fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from handpicked.config.section import EXECUTION, Strict

BUNDLED_LM = "bundled:smollm2-135m-instruct"
BUNDLED_EMBEDDER = "bundled:all-minilm-l6-v2"


class ModelSettings(Strict):
    """The model to start from."""

    name: str = BUNDLED_LM
    """``bundled:NAME``, a folder, or a hub name."""
    revision: str | None = None
    """Commit or tag of a hub model."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """``auto``: bfloat16 on a GPU that computes in it natively, else float32; on a CPU always float32."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for models whose code you have read."""


DEFAULT_RATES: Mapping[str, float] = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""Peak learning rate by method. For full fine-tuning that of AlpaGasus and Cherry; for adapters that of QLoRA
(Dettmers et al., 2023, arXiv 2305.14314) at 7B and 13B: an adapter starts at zero and needs larger steps.
"""
FEW_STEPS = 10
"""Optimizer steps below which the dry run and the report warn. AdamW's first moment is a mean over some 1 /
(1 - 0.9) = 10 steps: with fewer, training follows only a handful of batches.
"""


class TrainSettings(Strict):
    """How an arm is fine-tuned. The defaults are those of similar work (AlpaGasus, Cherry): the paper
    published none.
    """

    method: Literal["lora", "qlora", "full"] = "lora"
    """LoRA adapters, LoRA on a 4-bit model (with bitsandbytes; slow without a GPU), or every weight."""
    template: str = "auto"
    """Chat template: ``auto`` is the tokenizer's own (the default one of several; ``alpaca`` if it has none,
    with a warning), alpaca, vicuna, chatml, plain, or the name of one of the tokenizer's templates, such as
    tool_use.
    """
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the training rows."""
    budget_tokens: Annotated[int, Field(gt=0)] | None = None
    """Training tokens that an arm uses over all its epochs. Rows are taken in seeded order until the budget
    is filled; if the subset is too small to fill it, epochs are added. None: ``epochs`` passes over the whole
    subset.
    """
    batch_size: Annotated[int, Field(gt=0)] = 128
    """Examples per optimizer step, over all devices."""
    micro_batch_size: Annotated[int, Field(gt=0)] = 4
    """Examples in one forward pass on one device."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Peak learning rate. None: the default of the method, 2e-5 for ``full``, 2e-4
    for ``lora`` and ``qlora``.
    """
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the learning rate after warm-up."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps spent warming up, rounded down to whole steps: 33 steps at
    0.03 have none, 34 have one.
    """
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW weight decay."""
    max_length: Annotated[int, Field(gt=0)] = 1024
    """Tokens per example; longer ones are cut (and counted)."""
    packing: bool = False
    """Pack several examples into one sequence (best fit, isolated from each other)."""
    lora_rank: Annotated[int, Field(gt=0)] = 16
    lora_alpha: Annotated[int, Field(gt=0)] = 32
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lora_targets: str | tuple[str, ...] = "all-linear"
    """Modules that get an adapter."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    neftune_noise: Annotated[float, Field(ge=0)] | None = None
    """NEFTune noise alpha on the input embeddings (Jain et al., 2023)."""
    launch: Annotated[str, Field(json_schema_extra=EXECUTION)] = "auto"
    """How training is started on the devices of ``--devices``: ``one`` (a process on one device, with other
    arms side by side on the others), ``ddp`` or ``fsdp`` (one arm on all devices, with a copy or a shard of
    the weights on each), ``auto`` (``one`` if the arm fits on one device, else ``fsdp``), or an Accelerate
    config file.
    """
    save_every: Annotated[int, Field(gt=0, json_schema_extra=EXECUTION)] = 10
    """Optimizer steps between checkpoints, from which an interrupted run resumes."""
    merge: bool = True
    """Also save the model with the adapter merged in."""
    keep_optimizer: bool = False
    """Also keep the adapter and Adam's moments after every pass over the rows, for the scorer ``less``: each
    takes three times the disk space of the adapter.
    """
    seed: int = 0
    report_to: Annotated[tuple[str, ...], Field(json_schema_extra=EXECUTION)] = ()
    """Trackers of the Hugging Face Trainer: wandb, tensorboard, trackio. What they write on this machine is
    kept in ``logs`` next to the model.
    """

    @property
    def peak_rate(self) -> float:
        """The peak learning rate that training uses: the given one, or the default of the method."""
        return DEFAULT_RATES[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def rate_origin(self) -> str:
        """Where ``peak_rate`` comes from, in words."""
        return f"default for {self.method}" if self.learning_rate is None else "as set"

    def resolved(self) -> TrainSettings:
        """These settings with the learning rate written out: what a result depends on,
        whether it was given or not.
        """
        return self.model_copy(update={"learning_rate": self.peak_rate})
