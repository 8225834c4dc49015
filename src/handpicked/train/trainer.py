"""TRL's SFTTrainer with the output head at labelled tokens only, and handpicked's progress.

Where there is no Triton, so on every CPU, TRL 1.16 puts every position, prompts and padding included, through
the output head, twice (its chunks are computed again in the backward pass), and takes entropy and accuracy of
each. The loss below has the same value from the labelled positions alone; benchmarks/train.py measures both.

Token accuracy comes from the same forward pass: TRL's mean over micro-batches would
weigh short ones too much.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from transformers import TrainerCallback
from trl import SFTTrainer

from handpicked.errors import TrainingError
from handpicked.models.head import IGNORED, label_logits
from handpicked.train.learned import ACCURACY, LEARNED

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainerControl, TrainerState, TrainingArguments


log = logging.getLogger(__name__)


class ResponseTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer whose loss is the mean negative log-likelihood over a step's labelled tokens, in nats.

    The log of every step also has ``token_accuracy`` and ``learned_tokens``, over all processes.
    """

    def __init__(self, *args: object, **parts: object) -> None:
        super().__init__(*args, **parts)
        self._hits = 0.0
        self._learned = 0

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, object]:
        """The sum over this micro-batch divided by ``num_items_in_batch``, the labelled
        tokens of the whole step.

        Raises TrainingError for a step without a learned token, whose mean is not a number.
        """
        labels = inputs["labels"]
        learned = (labels[:, 1:] != IGNORED).sum()
        everywhere = int(self.accelerator.gather(learned).sum())
        tokens = everywhere if num_items_in_batch is None else num_items_in_batch
        if not int(tokens):
            raise TrainingError(
                "A training step has no token to learn: no response, and so no loss. Check its rows."
            )
        if return_outputs or self._left_to_trl(labels):
            loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self._count(self._metrics["train"]["mean_token_accuracy"][-1] * everywhere, everywhere)
            return loss
        return self._loss(model, inputs, everywhere, tokens, num_items_in_batch is not None)

    def _left_to_trl(self, labels: torch.Tensor) -> bool:
        """On CUDA, TRL's fused kernel does the same and saves memory; mixture-of-experts
        models need its auxiliary loss.
        """
        return bool(labels.is_cuda or self.aux_loss_enabled)

    def _loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, torch.Tensor],
        everywhere: int,
        tokens: torch.Tensor | int,
        of_the_step: bool,
    ) -> torch.Tensor:
        """The loss from the labelled positions alone. ``tokens`` are those of the whole step, or
        of this micro-batch here.
        """
        import torch

        others = {name: value for name, value in inputs.items() if name != "labels"}
        logits, answers = label_logits(model, inputs["labels"], **others)
        losses = torch.nn.functional.cross_entropy(logits, answers, reduction="sum")
        hits = (logits.detach().argmax(-1) == answers).sum()
        self._count(float(self.accelerator.gather(hits).sum()), everywhere)
        # The count is of all processes, and their gradients are averaged.
        shares = self.accelerator.num_processes
        return losses * shares / tokens if of_the_step else losses / len(answers)

    def _count(self, hits: float, learned: int) -> None:
        self._hits += hits
        self._learned += learned

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """What TRL logs of a step, and the token accuracy since the step before."""
        if self._learned and "loss" in logs:
            logs = {**logs, ACCURACY: self._hits / self._learned, LEARNED: self._learned}
            self._hits, self._learned = 0.0, 0
        super().log(logs, start_time)


class Steps(TrainerCallback):  # type: ignore[misc]
    """Reports steps and notes when training itself began and ended, from which step. A loss
    that is not a number stops it.
    """

    def __init__(self, step: Callable[[float], None]) -> None:
        self.step = step
        self.first_step = 0
        self.seconds = 0.0
        self._began = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Count the steps that an earlier attempt finished."""
        del args, control
        self.first_step = state.global_step
        self.step(state.global_step)
        self._began = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """One optimizer step."""
        del args, state, control
        self.seconds = time.perf_counter() - self._began
        self.step(1)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Stop where the loss is NaN or infinite."""
        del control
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        log.info("step %d of %d: loss %.4f", state.global_step, state.max_steps, loss)
        if abs(loss) < float("inf"):
            return
        if state.global_step == 1:
            raise TrainingError(
                f"The training loss is {loss} at step 1, before any weight has changed: the model gives "
                "no valid loss for these rows. "
                "Set model.dtype: float32, or check the model's weights."
            )
        raise TrainingError(
            f"The training loss became {loss} at step {state.global_step}: lower "
            f"train.learning_rate ({args.learning_rate:g}), "
            "or use float32."
        )
