"""Fine-tunes a model on a subset: encode, plan, train with TRL, save. It resumes after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import MissingPart, StoreError, TrainingError
from handpicked.models.adam_state import STATES
from handpicked.models.load import device, identity, load_model, load_tokenizer
from handpicked.models.quiet import quiet
from handpicked.models.template import load_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Example
from handpicked.store import read_json, write_json, writing
from handpicked.train.card import write_card
from handpicked.train.change import WeightChange, adapted_norm, adapter_change, model_change, refusal
from handpicked.train.encode import EncodedRows, encode
from handpicked.train.learned import Learned, learned
from handpicked.train.plan import TrainingPlan, plan
from handpicked.train.schedule import schedule

log = logging.getLogger(__name__)

ADAPTER = "adapter"
MERGED = "model"


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

    Raises TrainingError for settings or data that would do silent harm, or when training has changed no
    weight, ConfigError and MissingPart for a model, a part or a device that is not there, StoreError for a
    folder that cannot be written.
    """
    _require_parts(settings)
    from accelerate import PartialState

    seed = settings.seed if seed is None else seed
    tokenizer = load_tokenizer(model)
    template = load_template(settings.template, tokenizer)
    with progress(f"tokenise {arm}", total=len(examples)) as step:
        rows = encode(examples, template, settings.max_length, step)
    for row, reason in rows.refused:
        log.warning(
            "%s: row %d is left out: the chat template '%s' refuses it: %s", arm, row, template.name, reason
        )
    planned = plan(rows.lengths, settings, seed)
    if not any(rows.rows[row].learned for row in planned.order):
        raise TrainingError(
            f"The {planned.rows} rows that '{arm}' is trained on have no learned token: no response, "
            "and so no loss. Look at its rows."
        )
    with writing(out):
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    processes = PartialState(cpu=device() == "cpu")
    with processes.main_process_first():  # the first one tidies, the others find it tidy
        resume = _checkpoint(out / "checkpoints", _fingerprint(rows, planned, model, settings, seed))
        if resume is None:
            shutil.rmtree(out / STATES, ignore_errors=True)  # of another training

    from handpicked.train.build import build_trainer
    from handpicked.train.states import KeepStates, refuse_states
    from handpicked.train.trainer import Steps

    with progress(f"train {arm}", total=planned.steps) as step, quiet():
        steps = Steps(step)
        trainer = build_trainer(
            rows, planned, model, settings, tokenizer, out / "checkpoints", seed, processes.num_processes
        )
        trainer.add_callback(steps)
        if settings.keep_optimizer:
            refuse_states(trainer, settings)
            trainer.add_callback(KeepStates(out / STATES, planned, model, settings))
        _require_space(trainer.model, settings, out, planned)
        with writing(out):
            before = None if settings.method == "full" else adapted_norm(trainer.model)
            trainer.train(resume_from_checkpoint=resume)
            change = _saved_change(trainer, model, settings, out, arm, before)
            result = _result(trainer, steps, rows, planned, settings, out, arm, seed, template.name, change)
            _finish(trainer, tokenizer, result, model, settings, out)
    return result


def _saved_change(
    trainer: Any, model: ModelSettings, settings: TrainSettings, out: Path, arm: str, before: float | None
) -> WeightChange:
    """Save what was trained and measure how far it moved. What cannot be used is removed,
    and TrainingError raised.

    Measured by the first process, from the saved files where the weights in memory are dealt
    out to several processes.
    """
    from accelerate.utils import broadcast_object_list

    folder = out / (ADAPTER if before is not None else MERGED)
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
    trainer: Any,
    steps: Any,
    rows: EncodedRows,
    planned: TrainingPlan,
    settings: TrainSettings,
    out: Path,
    arm: str,
    seed: int,
    template: str,
    change: WeightChange,
) -> TrainResult:
    last = trainer.state.global_step
    rates = schedule(last, settings)
    found: Learned = learned(trainer.state.log_history, last, len(planned.order) / planned.rows)
    used = set(planned.order)
    tokens = planned.tokens * (last - steps.first_step) / last
    return TrainResult(
        arm=arm,
        seed=seed,
        template=template,
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
        rows_used=planned.rows,
        rows_in_subset=len(rows.rows) + rows.without_room + len(rows.refused),
        training_tokens=planned.tokens,
        response_tokens=sum(rows.rows[row].learned for row in planned.order),
        rows_truncated=sum(rows.cut[row] for row in used),
        rows_end_readded=sum(rows.end_readded[row] for row in used),
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


def _require_space(model: Any, settings: TrainSettings, out: Path, planned: TrainingPlan) -> None:
    """Raise StoreError now, not after hours, when the disk cannot hold two checkpoints and
    what is saved at the end.
    """
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
    trainer: Any,
    tokenizer: Any,
    result: TrainResult,
    model: ModelSettings,
    settings: TrainSettings,
    out: Path,
) -> None:
    """Write the merged model and the cards; then the checkpoints have served."""
    name = identity(model)
    if trainer.is_world_process_zero():
        if result.adapter is not None:
            write_card(result.adapter, "adapter", result, model, settings, name)
            if settings.merge:
                merged = load_model(model, adapter=result.adapter, on="cpu")
                merged.save_pretrained(out / MERGED)
                tokenizer.save_pretrained(out / MERGED)
        if result.merged is not None:
            write_card(result.merged, "model", result, model, settings, name)
        shutil.rmtree(out / "checkpoints")
    trainer.accelerator.wait_for_everyone()


def _require_parts(settings: TrainSettings) -> None:
    try:
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingPart(f"Training needs {error.name}: pip install 'handpicked[train]'") from None
    if settings.method != "qlora":
        return
    if device() != "cuda":
        raise MissingPart("train.method qlora needs an NVIDIA GPU; use lora here.")
    if find_spec("bitsandbytes") is None:
        raise MissingPart("train.method qlora needs bitsandbytes: pip install bitsandbytes")


def _fingerprint(
    rows: EncodedRows, planned: TrainingPlan, model: ModelSettings, settings: TrainSettings, seed: int
) -> str:
    """What a checkpoint belongs to: the model, the settings and every token in its order."""
    resolved = settings.resolved().model_dump_json()
    rates = schedule(planned.steps, settings)
    digest = hashlib.sha256(f"{identity(model)} {resolved} {rates} {seed} {planned.order}".encode())
    for row in rows.rows:
        digest.update(json.dumps([row.ids, row.labels]).encode())
    return digest.hexdigest()


def _checkpoint(folder: Path, fingerprint: str) -> str | None:
    """The newest whole checkpoint of the same training. Torn ones, and all of another training, are removed.

    A checkpoint is whole when its trainer_state.json, which is written last, can be read.
    """
    mark = folder / "training.json"
    same = mark.is_file() and read_json(mark)["fingerprint"] == fingerprint
    newest = None
    for path in sorted(folder.glob("checkpoint-*"), key=_step):
        if same and _whole(path):
            newest = path
        else:
            shutil.rmtree(path)
    if not same:
        write_json(mark, {"fingerprint": fingerprint})
    if newest is not None:
        log.info("training resumes from %s", newest)
    return str(newest) if newest else None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
