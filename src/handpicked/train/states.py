"""Saves states of training for LESS at the end of every pass over the rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainerCallback

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import TrainingError
from handpicked.models.adam_state import save_state
from handpicked.models.load import identity
from handpicked.train.plan import TrainingPlan

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from trl import SFTTrainer


class KeepStates(TrainerCallback):  # type: ignore[misc]
    """Writes ``folder/step-N`` at the step nearest to the end of each of the plan's
    passes, the last one included.
    """

    def __init__(
        self, folder: Path, planned: TrainingPlan, model: ModelSettings, settings: TrainSettings
    ) -> None:
        self.folder = folder
        self.passes = max(1, round(len(planned.order) / planned.rows))
        self.about = {
            "template": settings.template,
            "max_length": str(settings.max_length),
            "model": model.model_dump_json(),
            "made_of": identity(model),
        }

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: object
    ) -> None:
        """After each optimizer step: the log has its learning rate."""
        del args, control
        step = state.global_step
        ends = sorted(
            {max(1, round(state.max_steps * done / self.passes)) for done in range(1, self.passes + 1)}
        )
        if step not in ends or not state.is_world_process_zero:
            return
        before = max((end for end in ends if end < step), default=0)
        rates = [
            entry["learning_rate"]
            for entry in state.log_history
            if "loss" in entry and entry["step"] > before
        ]
        about = {**self.about, "step": str(step), "learning_rate": str(sum(rates) / len(rates))}
        save_state(parts["model"], parts["optimizer"], self.folder / f"step-{step}", about)


def refuse_states(trainer: SFTTrainer, settings: TrainSettings) -> None:
    """Raise TrainingError where the moments of an adapter are not available whole."""
    if settings.method == "full":
        raise TrainingError(
            "train.keep_optimizer keeps Adam's moments of an adapter, which LESS needs, but "
            "train.method is full. Set lora or qlora."
        )
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise TrainingError(
            "train.keep_optimizer needs Adam's moments whole, but FSDP and DeepSpeed shard them over several "
            "processes. Train without them."
        )
