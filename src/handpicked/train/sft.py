"""Fine-tunes a model on a subset: encode, plan, train with TRL, save. It resumes after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handpicked.config import ModelSettings, TrainSettings, result_settings
from handpicked.errors import MissingPart, StoreError
from handpicked.models.adam_state import STATES
from handpicked.models.load import device, load_model, load_tokenizer
from handpicked.models.quiet import quiet
from handpicked.progress import SILENT, Progress
from handpicked.records import Example
from handpicked.store import writing
from handpicked.train.card import write_card
from handpicked.train.change import WeightChange, adapted_norm, adapter_change, model_change, refusal
from handpicked.train.checkpoints import newest_checkpoint
from handpicked.train.learned import Learned, learned
from handpicked.train.plan import TrainingPlan
from handpicked.train.prepare import FOLDER, Prepared, prepare
from handpicked.train.schedule import schedule
from handpicked.train.trackers import tracked

if TYPE_CHECKING:
    from accelerate import PartialState
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTTrainer

    from handpicked.train.trainer import Steps


ADAPTER = "adapter"
MERGED = "model"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainResult:
    """What training one arm did. ``template`` is the chat template's name, alpaca where ``auto`` found none.

    ``losses``: (optimizer step, mean loss over the step's learned tokens in nats), one a step.
    ``learning_rate`` is the peak; ``rate_sum`` is the sum over all steps, of which ``warmup_steps`` warmed
    up. ``token_accuracies``: (step, share of its learned tokens that the model ranked first, before the step
    changed it); ``token_accuracy`` is the same over all steps and ``token_accuracy_last_pass`` over those of
    the last pass over the rows. ``weight_change`` is the L2 norm of the change of the trained weights (of an
    adapter: of B A alpha / r), ``weight_change_relative`` that over the norm of these weights before.

    ``training_tokens`` counts every token of every place in the plan, all epochs; ``epochs`` are passes over
    the rows used; ``response_tokens`` those of them that are learned. ``seconds`` and ``tokens_per_second``
    are of this attempt alone, which began after step ``resumed_from``. ``adapter`` (LoRA) and ``merged`` (the
    whole model) are folders below ``out``.
    """

    arm: str
    seed: int
    template: str
    losses: tuple[tuple[int, float], ...]
    token_accuracies: tuple[tuple[int, float], ...]
    token_accuracy: float
    token_accuracy_last_pass: float
    steps: int
    learning_rate: float
    warmup_steps: int
    rate_sum: float
    weight_change: float
    weight_change_relative: float
    epochs: float
    device: str
    ranks: int
    sharding: str
    rows_used: int
    rows_in_subset: int
    training_tokens: int
    response_tokens: int
    rows_truncated: int
    rows_end_readded: int
    rows_without_room: int
    rows_refused: int
    turns_unlearned: int
    rows_with_thought: int
    seconds: float
    tokens_per_second: float
    resumed_from: int
    adapter: Path | None
    merged: Path | None


def train(
    examples: Sequence[Example],
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    *,
    arm: str,
    seed: int | None = None,
    progress: Progress = SILENT,
) -> TrainResult:
    """Fine-tune ``model`` on ``examples`` into the folder ``out``: ``out/adapter`` (LoRA) and
    ``out/model`` (merged, or full).

    ``seed`` overrides ``settings.seed``. The same examples, settings and seed on the same CPU give the same
    losses. Killed and called again with the same arguments it goes on from its last checkpoint, with the same
    losses as without the kill. Safe under ``accelerate launch``: every process calls it, one writes.

    Raises TrainingError for settings or data that would spoil the training silently, or when training has
    changed no weight, ConfigError and MissingPart for a model, a part or a device that is not there,
    StoreError for a folder that cannot be written.
    """
    _require_parts(settings)
    prepared = prepare(
        examples, model, settings, out / FOLDER, arm=arm, seed=seed, total=len(examples), progress=progress
    )
    result = train_prepared(prepared, model, settings, out, progress=progress)
    tidy(out)
    return result


def tidy(out: Path) -> None:
    """Remove what a training in ``out`` that is finished no longer needs: checkpoints, encoded rows."""
    for name in (CHECKPOINTS, FOLDER):
        shutil.rmtree(out / name, ignore_errors=True)


def train_prepared(
    prepared: Prepared,
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    *,
    progress: Progress = SILENT,
) -> TrainResult:
    """``train`` from where rows are encoded and planned: what each of several processes does."""
    _require_parts(settings)
    with tracked(settings.report_to, out):  # before anything imports a tracker, which then reads its folder
        return _train(prepared, model, settings, out, progress)


def _train(
    prepared: Prepared, model: ModelSettings, settings: TrainSettings, out: Path, progress: Progress
) -> TrainResult:
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    tokenizer = load_tokenizer(model)
    with writing(out):
        (out / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    processes = PartialState(cpu=device() == "cpu")
    found: list[str | None] = [None]
    if processes.is_main_process:
        made_for = _fingerprint(prepared, settings, processes)
        found = [newest_checkpoint(out / CHECKPOINTS, made_for, processes.num_processes)]
        if found == [None]:
            shutil.rmtree(out / STATES, ignore_errors=True)  # of another training
    resume = broadcast_object_list(found)[0]

    from handpicked.train.build import build_trainer
    from handpicked.train.states import KeepStates, refuse_states
    from handpicked.train.trainer import Steps

    planned = prepared.planned
    with progress(f"train {prepared.arm}", total=planned.steps) as step, quiet():
        steps = Steps(step)
        trainer = build_trainer(prepared, model, settings, tokenizer, out, processes.num_processes)
        trainer.add_callback(steps)
        if settings.keep_optimizer:
            refuse_states(trainer, settings)
            trainer.add_callback(KeepStates(out / STATES, planned, model, settings))
        _require_space(trainer.model, settings, out, planned)
        with writing(out):
            before = None if settings.method == "full" else adapted_norm(trainer.model)
            trainer.train(resume_from_checkpoint=resume)
            change = _saved_change(trainer, model, settings, out, prepared.arm, before)
            result = _result(trainer, steps, prepared, settings, out, change)
            _finish(trainer, tokenizer, result, model, settings, out, prepared.base)
    return result


def _saved_change(
    trainer: SFTTrainer,
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    arm: str,
    before: float | None,
) -> WeightChange:
    """Save what was trained and measure how far it moved. What cannot be used is removed,
    and TrainingError raised.

    Measured by the first process, from the saved files where the weights in memory are dealt
    out to several processes.
    """
    from accelerate.utils import broadcast_object_list

    folder = out / (ADAPTER if before is not None else MERGED)
    if trainer.is_fsdp_enabled:  # checkpoints are in shards; what is kept is whole
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    # Collective: every process takes part in gathering sharded weights, one writes.
    trainer.save_model(str(folder))
    found: list[Any] = [None]
    if trainer.is_world_process_zero():
        (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody should have to trust
        if before is not None:
            found = [adapter_change(folder, settings.lora_alpha / settings.lora_rank, before)]
        else:
            sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
            saved = ModelSettings(name=str(folder), dtype="float32")
            found = [model_change(load_model(saved, on="cpu") if sharded else trainer.model, model)]
    broadcast_object_list(found)
    change: WeightChange = found[0]
    reason = refusal(change, arm, settings.peak_rate)
    if reason is not None:
        shutil.rmtree(folder, ignore_errors=True)
        raise reason
    return change


def _result(
    trainer: SFTTrainer,
    steps: Steps,
    prepared: Prepared,
    settings: TrainSettings,
    out: Path,
    change: WeightChange,
) -> TrainResult:
    rows, planned = prepared.rows, prepared.planned
    last = trainer.state.global_step
    rates = schedule(last, settings)
    found: Learned = learned(trainer.state.log_history, last, len(planned.order) / planned.rows)
    used = np.unique(np.asarray(planned.order))
    tokens = planned.tokens * (last - steps.first_step) / last
    return TrainResult(
        arm=prepared.arm,
        seed=prepared.seed,
        template=prepared.template,
        losses=found.losses,
        token_accuracies=found.accuracies,
        token_accuracy=found.accuracy,
        token_accuracy_last_pass=found.accuracy_last_pass,
        steps=last,
        learning_rate=rates.peak,
        warmup_steps=rates.warmup,
        rate_sum=rates.rate_sum,
        weight_change=change.norm,
        weight_change_relative=change.relative,
        epochs=round(len(planned.order) / planned.rows, 2),
        device=str(trainer.args.device),
        ranks=trainer.args.world_size,
        sharding=_sharding(trainer),
        rows_used=planned.rows,
        rows_in_subset=rows.in_subset,
        training_tokens=planned.tokens,
        response_tokens=int(rows.rows.learned_counts[np.asarray(planned.order)].sum()),
        rows_truncated=int(rows.cut[used].sum()),
        rows_end_readded=int(rows.end_readded[used].sum()),
        rows_without_room=rows.without_room,
        rows_refused=len(rows.refused),
        turns_unlearned=rows.unlearned,
        rows_with_thought=rows.thoughts,
        seconds=steps.seconds,
        tokens_per_second=tokens / steps.seconds if steps.seconds else 0.0,
        resumed_from=steps.first_step,
        adapter=None if settings.method == "full" else out / ADAPTER,
        merged=out / MERGED if settings.merge or settings.method == "full" else None,
    )


def _require_space(model: PreTrainedModel, settings: TrainSettings, out: Path, planned: TrainingPlan) -> None:
    """Raise StoreError at once when the disk cannot hold two checkpoints and the final model."""
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    # A checkpoint holds the trained weights and AdamW's two moments in float32; the newest is written before
    # the last one goes.
    need = 2 * 12 * trained + (weights if settings.merge or settings.method == "full" else 4 * trained)
    if settings.keep_optimizer:
        need += 12 * trained * round(len(planned.order) / planned.rows)
    free = shutil.disk_usage(out).free
    if free < need:
        raise StoreError(
            f"Training into {out} needs up to {need / 1e9:.1f} GB for checkpoints and the trained "
            f"model, and {free / 1e9:.1f} GB "
            "are free. Free some, choose another folder with -o, or set train.merge: false."
        )


def _finish(
    trainer: SFTTrainer,
    tokenizer: PreTrainedTokenizerBase,
    result: TrainResult,
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
    name: str,
) -> None:
    """Write the merged model and the cards."""
    if trainer.is_world_process_zero():
        if result.adapter is not None:
            write_card(result.adapter, "adapter", result, model, settings, name)
            if settings.merge:
                merged = load_model(model, adapter=result.adapter, on="cpu")
                merged.save_pretrained(out / MERGED)
                tokenizer.save_pretrained(out / MERGED)
        if result.merged is not None:
            write_card(result.merged, "model", result, model, settings, name)
    trainer.accelerator.wait_for_everyone()


def _require_parts(settings: TrainSettings) -> None:
    try:
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingPart(f"Training needs {error.name}: pip install 'handpicked[train]'") from None
    if settings.method != "qlora":
        return
    if device() == "mps":
        raise MissingPart("train.method qlora needs an NVIDIA GPU or a CPU; use lora here.")
    if find_spec("bitsandbytes") is None:
        raise MissingPart("train.method qlora needs bitsandbytes: pip install bitsandbytes")


def _sharding(trainer: SFTTrainer) -> str:
    if trainer.is_fsdp_enabled:
        return "fsdp"
    return "deepspeed" if trainer.is_deepspeed_enabled else ""


def _fingerprint(prepared: Prepared, settings: TrainSettings, processes: PartialState) -> str:
    """What identifies a checkpoint: the model, the settings, every token in its order, and how many processes
    share its state, and how.
    """
    planned, rows = prepared.planned, prepared.rows.rows
    resolved = json.dumps(result_settings(settings.resolved()))
    rates = schedule(planned.steps, settings)
    shared = f"{processes.num_processes} {processes.distributed_type} {os.environ.get('ACCELERATE_USE_FSDP')}"
    digest = hashlib.sha256(f"{prepared.base} {resolved} {rates} {prepared.seed} {shared}".encode())
    for values in (np.asarray(planned.order), rows.ids, rows.learned, rows.ends):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
