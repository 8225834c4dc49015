"""TRL's SFTTrainer with the output head on labelled tokens only, and the callback that feeds handpicked's progress.

Where there is no Triton, so on every CPU, TRL 1.16 puts every position, prompts and padding included, through the
output head, twice (its chunks are computed again in the backward pass), and takes entropy and accuracy of each. The
loss below has the same value from the labelled positions alone; benchmarks/train.py measures both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback
from trl import SFTTrainer

from handpicked.errors import TrainingError
from handpicked.models.head import IGNORED, label_losses


class ResponseTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose loss is the mean negative log-likelihood over a step's labelled tokens, in nats."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The sum over this micro-batch divided by ``num_items_in_batch``, the labelled tokens of the whole step."""
        # On CUDA, TRL's fused kernel does the same and saves memory; mixture-of-experts models need its auxiliary loss.
        if inputs["labels"].is_cuda or self.aux_loss_enabled or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        losses = label_losses(
            model, labels, **{name: value for name, value in inputs.items() if name != "labels"}
        )
        tokens = (labels[:, 1:] != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        # The count is of all processes, and their gradients are averaged.
        shares = self.accelerator.num_processes if num_items_in_batch is not None else 1
        return losses.sum() * shares / tokens


class Steps(TrainerCallback):  # type: ignore[misc]
    """Reports steps and notes when training itself began and ended, from which step. A loss that is no number stops it."""

    def __init__(self, step: Callable[[float], None]) -> None:
        self.step = step
        self.first_step = 0
        self.seconds = 0.0
        self._began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the steps that an earlier attempt finished."""
        del args, control
        self.first_step = state.global_step
        self.step(state.global_step)
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One optimizer step."""
        del args, state, control
        self.seconds = time.perf_counter() - self._began
        self.step(1)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """A loss of NaN or infinity never becomes a model."""
        del args, control
        loss = (logs or {}).get("loss")
        if loss is not None and not abs(loss) < float("inf"):
            raise TrainingError(
                f"The training loss became {loss} at step {state.global_step}: lower train.learning_rate, or use float32."
            )
