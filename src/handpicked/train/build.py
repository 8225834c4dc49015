"""Builds TRL's trainer from a plan: model, adapter, arguments and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import TrainingError
from handpicked.models.load import device, dtype_of, load_model
from handpicked.train.encode import EncodedRows
from handpicked.train.plan import TrainingPlan, micro_batch
from handpicked.train.schedule import TRANSFORMERS, Schedule, refuse_still, schedule
from handpicked.train.trainer import ResponseTrainer


def build_trainer(
    rows: EncodedRows,
    planned: TrainingPlan,
    model: ModelSettings,
    settings: TrainSettings,
    tokenizer: Any,
    folder: Path,
    seed: int,
    processes: int,
) -> ResponseTrainer:
    """A trainer that goes through ``planned`` once, in its order, and keeps checkpoints in ``folder``.

    Raises TrainingError for steps that could not move a weight, before any weight is loaded.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    set_seed(seed)  # adapters start from random numbers
    rows_a_pass, passes = micro_batch(settings, processes)
    data = Dataset.from_dict(
        {"input_ids": [row.ids for row in rows.rows], "labels": [row.labels for row in rows.rows]}
    ).select(planned.order)
    if settings.packing:
        data, rows_a_pass, passes = _packed(data, settings, seed, processes)
    rates = schedule(-(-len(data) // (rows_a_pass * passes * processes)), settings)
    refuse_still(rates)
    compute = dtype_of(model)
    loaded = _load(model, settings, compute)
    if settings.packing:
        _refuse_leaking(loaded)
    trainer = ResponseTrainer(
        model=loaded,
        args=_arguments(settings, rates, folder, seed, rows_a_pass, passes, compute),
        train_dataset=data,
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer.pad_token_id, padding_free=settings.packing),
        peft_config=None if settings.method == "full" else lora_config(settings),
    )
    trainer.remove_callback(PrinterCallback)
    if not any(parameter.requires_grad for parameter in trainer.model.parameters()):
        raise TrainingError(
            f"train.lora_targets = {settings.lora_targets!r} names no module of "
            f"{model.name}: nothing would be learned."
        )
    return trainer


def _arguments(
    settings: TrainSettings, rates: Schedule, folder: Path, seed: int, rows: int, passes: int, compute: Any
) -> Any:
    """TRL's arguments. Data come tokenised and in order, so nothing here shuffles, cuts or prepares."""
    import torch
    from trl import SFTConfig

    kind = device()
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=passes,
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
        seed=seed,
        data_seed=seed,
    )


def lora_config(settings: TrainSettings) -> Any:
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


def _load(model: ModelSettings, settings: TrainSettings, compute: Any) -> Any:
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
        device_map = {"": torch.cuda.current_device()}
        return load_model(model, dtype=compute, quantization_config=four_bit, device_map=device_map)
    # The trainer puts the model on its device, which under several processes only it knows.
    return load_model(model, dtype=torch.float32 if settings.method == "full" else compute, on="cpu")


def _packed(data: Any, settings: TrainSettings, seed: int, processes: int) -> tuple[Any, int, int]:
    """Rows packed best-fit into sequences of ``max_length``, with as many sequences to a step as
    hold ``batch_size`` rows.
    """
    from trl import pack_dataset

    packed = pack_dataset(data, settings.max_length, "bfd").shuffle(seed=seed)
    a_step = max(1, round(settings.batch_size * len(packed) / len(data)))
    # Attention over a packed batch costs the square of its length where no kernel skips the masked blocks.
    rows = 1 if device() == "cpu" else min(settings.micro_batch_size, max(1, a_step // processes))
    return packed, rows, max(1, round(a_step / (rows * processes)))


def _refuse_leaking(model: Any) -> None:
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
            "would be learned with foreign "
            "context. Set train.packing: false."
        )
