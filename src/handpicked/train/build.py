"""Builds TRL's trainer from a plan: model, adapter, arguments and data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import TrainingError
from handpicked.models.load import device, dtype_of, load_model
from handpicked.train.prepare import Prepared
from handpicked.train.schedule import TRANSFORMERS, Schedule, refuse_still, schedule
from handpicked.train.steps import Dealt, DealtRows, deal
from handpicked.train.trackers import tracker_arguments
from handpicked.train.trainer import ResponseTrainer

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig


def build_trainer(
    prepared: Prepared,
    model: ModelSettings,
    settings: TrainSettings,
    tokenizer: PreTrainedTokenizerBase,
    out: Path,
    processes: int,
) -> ResponseTrainer:
    """A trainer that goes through the plan once, in its order, and keeps checkpoints in ``out/checkpoints``
    and what trackers write in ``out/logs``.

    Raises TrainingError for steps that could not move a weight, before any weight is loaded.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    set_seed(prepared.seed)  # adapters start from random numbers
    # Attention over a packed batch costs the square of its length where no kernel skips the masked blocks.
    dealt = deal(prepared, settings, processes, 1 if device() == "cpu" else settings.micro_batch_size)
    rates = schedule(dealt.steps, settings)
    refuse_still(rates)
    compute = dtype_of(model)
    loaded = _load(model, settings, compute)
    if settings.packing:
        _refuse_leaking(loaded)
    data = DealtRows(prepared, dealt)
    trainer = ResponseTrainer(
        model=loaded,
        args=_arguments(settings, rates, out, prepared, dealt, compute),
        train_dataset=Dataset.from_list([data[0]]),  # TRL takes no other kind, and looks at one row
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer.pad_token_id, padding_free=settings.packing),
        peft_config=None if settings.method == "full" else lora_config(settings),
    )
    trainer.train_dataset = data
    trainer.remove_callback(PrinterCallback)
    if not any(parameter.requires_grad for parameter in trainer.model.parameters()):
        raise TrainingError(
            f"train.lora_targets = {settings.lora_targets!r} names no module of "
            f"{model.name}: nothing would be learned."
        )
    _order_targets(trainer.model)
    return trainer


def _order_targets(model: PreTrainedModel) -> None:
    """PEFT keeps the names of an adapter's modules in a set and writes them as that is ordered, which differs
    from process to process. Sorted, the same training writes the same file.
    """
    for config in getattr(model, "peft_config", {}).values():
        if not isinstance(config.target_modules, str):
            config.target_modules = sorted(config.target_modules)


def _arguments(
    settings: TrainSettings,
    rates: Schedule,
    out: Path,
    prepared: Prepared,
    dealt: Dealt,
    compute: torch.dtype,
) -> SFTConfig:
    """TRL's arguments. Data come tokenised and in order, so nothing here shuffles, cuts or prepares."""
    import torch
    from trl import SFTConfig

    kind = device()
    return SFTConfig(
        output_dir=str(out / "checkpoints"),
        num_train_epochs=1,
        per_device_train_batch_size=dealt.rows,
        gradient_accumulation_steps=dealt.passes,
        train_sampling_strategy="sequential",
        learning_rate=rates.peak,
        lr_scheduler_type=TRANSFORMERS[settings.scheduler],
        warmup_steps=rates.warmup,  # whole steps: of a share, transformers would round up
        weight_decay=settings.weight_decay,
        neftune_noise_alpha=settings.neftune_noise,
        gradient_checkpointing=settings.gradient_checkpointing,
        use_cpu=kind == "cpu",
        bf16=compute == torch.bfloat16,
        fp16=compute == torch.float16,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=kind == "cuda",
        save_strategy="steps",
        save_steps=settings.save_every,
        save_total_limit=1,
        logging_steps=1,
        logging_nan_inf_filter=False,  # by default a loss of NaN is logged as the mean of the others
        disable_tqdm=True,
        report_to=list(settings.report_to) or "none",
        **tracker_arguments(SFTConfig, prepared.arm),
        seed=prepared.seed,
        data_seed=prepared.seed,
    )


def lora_config(settings: TrainSettings) -> LoraConfig:
    """The adapter of the settings, in PEFT's terms."""
    from peft import LoraConfig

    targets = settings.lora_targets
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


def _load(model: ModelSettings, settings: TrainSettings, compute: torch.dtype) -> PreTrainedModel:
    """The model to train. Every trained weight is kept in float32: in 16 bits, small
    updates would round to nothing.
    """
    import torch

    if settings.method == "qlora":
        from transformers import BitsAndBytesConfig

        four_bit = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        )
        device_map = {"": torch.cuda.current_device() if device() == "cuda" else "cpu"}
        return load_model(model, dtype=compute, quantization_config=four_bit, device_map=device_map)
    # The trainer puts the model on its device, which under several processes only it knows.
    return load_model(model, dtype=torch.float32 if settings.method == "full" else compute, on="cpu")


def _refuse_leaking(model: PreTrainedModel) -> None:
    """Raise TrainingError when packed rows of this model see each other: two short rows
    must score as they do alone.
    """
    import torch

    rows = [torch.tensor([[3, 1, 4, 1, 5]]), torch.tensor([[9, 2, 6, 5, 3]])]
    places = torch.arange(5).repeat(2)[None]
    with torch.no_grad():
        packed = (
            model(input_ids=torch.cat(rows, 1), position_ids=places, use_cache=False).logits[0, 5:].float()
        )
        alone = model(input_ids=rows[1], use_cache=False).logits[0].float()
    if not torch.allclose(packed, alone, rtol=0.01, atol=0.01 * float(alone.abs().max())):
        raise TrainingError(
            "train.packing is true, but this model lets packed rows see each other, so rows "
            "would be "
            "learned with the context of other rows. Set train.packing: false."
        )
