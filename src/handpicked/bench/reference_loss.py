"""Held-out loss: the mean negative log-likelihood of reference responses.

Per prompt, so that comparisons of models can bootstrap over prompts. In nats per token, lower is better;
comparable between models that share a tokenizer, because a token is another amount of text in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from handpicked.errors import Refused
from handpicked.models.head import IGNORED, label_losses
from handpicked.models.load import load_model
from handpicked.models.served import ArmModel, Served
from handpicked.models.served.logprobs import row_losses as served_losses
from handpicked.models.template import Encoded, Template, model_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Message, Prompt
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import THIS_MACHINE, THIS_PROCESS, Part, Work, Workers
from handpicked.workers.records import records_of


@dataclass(frozen=True, slots=True)
class ReferenceLoss:
    """One arm's loss on one reference: ``value`` in nats per token, end-of-text
    included, over ``tokens`` tokens.

    ``value`` is ``None`` when it could not be computed; then ``reason`` says why.
    """

    arm: str
    prompt_id: str
    value: float | None
    tokens: int
    reason: str | None = None


def reference_loss(
    prompts: Sequence[Prompt],
    arm: ArmModel,
    out_file: Path,
    *,
    name: str,
    batch_size: int = 8,
    workers: Workers = THIS_MACHINE,
    progress: Progress = SILENT,
    served: Callable[[], Served] | None = None,
) -> list[ReferenceLoss]:
    """The loss on the reference of every prompt that has one, in the order of ``prompts``.

    ``name`` is the arm's. ``batch_size`` is references in a forward pass and changes no value beyond
    rounding. The work goes in parts of about 64 prompts, by ``workers``; ``out_file`` has the losses when all
    are there, and those already there are kept.
    A prompt and reference longer than the model's context have no value, with the reason. ``served`` reaches
    the vLLM server that computes them instead of the model here; it is called only where losses are missing.

    Raises ConfigError and MissingPart as loading the model does; StoreError for a
    file that cannot be written.
    """
    text_of = model_template(arm.template, arm.model)
    encoded, refused = _encoded(prompts, text_of, name)
    ids = sorted(encoded, key=lambda prompt_id: (-len(encoded[prompt_id].ids), prompt_id))
    references = [(prompt_id, encoded[prompt_id]) for prompt_id in ids]
    task = HeldOutLoss(name, references, arm, batch_size, served)
    workers = THIS_PROCESS if served else workers
    found = records_of(task, ids, batch_size, ReferenceLoss, out_file, workers, progress)
    done = refused | {loss.prompt_id: loss for loss in found}
    return [done[prompt.prompt_id] for prompt in prompts if prompt.reference is not None]


@dataclass(frozen=True)
class HeldOutLoss:
    """Held-out losses of an arm, as a task in parts of its encoded references, by prompt id."""

    arm_name: str
    references: Sequence[tuple[str, Encoded]]
    arm: ArmModel
    batch_size: int
    served: Callable[[], Served] | None = None
    items: str = "prompts"

    @property
    def name(self) -> str:
        """See ``workers.Task``."""
        return f"held-out loss {self.arm_name}"

    @property
    def libraries(self) -> Sequence[str]:
        """See ``workers.Task``."""
        return LANGUAGE_MODEL

    def open(self) -> Work:
        """See ``workers.Task``."""
        return HeldOutLossWork(self) if self.served is None else ServedLossWork(self, self.served)


@dataclass
class HeldOutLossWork:
    """Held-out losses in one worker."""

    task: HeldOutLoss

    def read(self, part: Part) -> Sequence[tuple[str, Encoded]]:
        """See ``workers.Work``."""
        return self.task.references[part.first : part.end]

    def compute(self, ready: Sequence[tuple[str, Encoded]], step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``."""
        losses: list[ReferenceLoss] = []
        for at in range(0, len(ready), self.task.batch_size):
            batch = ready[at : at + self.task.batch_size]
            losses += _batch(self.model, self.task.arm_name, dict(batch))
            step(len(batch))
        return pa.Table.from_pylist([asdict(loss) for loss in losses], LOSSES)

    @cached_property
    def model(self) -> Any:
        """Loaded at first use."""
        return load_model(self.task.arm.model, adapter=self.task.arm.adapter)


@dataclass
class ServedLossWork:
    """Held-out losses by a vLLM server, which makes its own batches of a whole part."""

    task: HeldOutLoss
    reach: Callable[[], Served]

    def read(self, part: Part) -> Sequence[tuple[str, Encoded]]:
        """See ``workers.Work``."""
        return self.task.references[part.first : part.end]

    def compute(self, ready: Sequence[tuple[str, Encoded]], step: Callable[[float], None]) -> pa.Table:
        """See ``workers.Work``. vLLM must generate a token more than those whose values are wanted."""
        served = self.served

        def computed(rows: Sequence[Encoded]) -> list[float]:
            return served_losses(served, rows, step)

        losses = _measured(computed, served.context - 1, self.task.arm_name, dict(ready))
        return pa.Table.from_pylist([asdict(loss) for loss in losses], LOSSES)

    @cached_property
    def served(self) -> Served:
        """Reached at its first use."""
        return self.reach()


LOSSES = pa.schema(
    [
        ("arm", pa.string()),
        ("prompt_id", pa.string()),
        ("value", pa.float64()),
        ("tokens", pa.int64()),
        ("reason", pa.string()),
    ]
)
"""A part: the fields of ``ReferenceLoss``."""


def _encoded(
    prompts: Sequence[Prompt], template: Template, arm: str
) -> tuple[dict[str, Encoded], dict[str, ReferenceLoss]]:
    """The prompts with their references by id, and the results of those that the template refuses."""
    encoded, refused = {}, {}
    for prompt in prompts:
        if prompt.reference is None:
            continue
        turns = (*prompt.messages, Message("assistant", prompt.reference))
        try:
            encoded[prompt.prompt_id] = template.encode(turns, [len(prompt.messages)])
        except Refused as error:
            refused[prompt.prompt_id] = ReferenceLoss(arm, prompt.prompt_id, None, 0, str(error))
    return encoded, refused


def _batch(model: Any, arm: str, rows: dict[str, Encoded]) -> list[ReferenceLoss]:
    """One forward pass over the rows that fit the model's context."""
    context = getattr(model.config, "max_position_embeddings", 1 << 30)
    return _measured(lambda fitting: row_losses(model, fitting), context, arm, rows)


def _measured(
    computed: Callable[[Sequence[Encoded]], list[float]], context: int, arm: str, rows: dict[str, Encoded]
) -> list[ReferenceLoss]:
    """The losses of the rows of at most ``context`` tokens, and why the others have none."""
    fitting = {name: row for name, row in rows.items() if len(row.ids) <= context}
    losses = dict(zip(fitting, computed(list(fitting.values())), strict=True)) if fitting else {}
    return [
        ReferenceLoss(arm, name, losses[name], row.learned)
        if name in losses
        else ReferenceLoss(
            arm, name, None, row.learned, f"{len(row.ids)} tokens exceed the model's context of {context}"
        )
        for name, row in rows.items()
    ]


def row_losses(model: Any, rows: Sequence[Encoded]) -> list[float]:
    """The mean loss, in nats, over each row's labelled tokens. Rows are padded on the right, where a
    causal model cannot look.
    """
    import torch

    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows], device=model.device)
    labels = torch.tensor(
        [row.labels + [IGNORED] * (width - len(row.ids)) for row in rows], device=model.device
    )
    with torch.inference_mode():
        losses = label_losses(model, labels, input_ids=ids)
    return [float(part.double().mean()) for part in losses.split([row.learned for row in rows])]
