"""Held-out loss: the mean negative log-likelihood of reference responses.

Per prompt, so that whoever compares models can bootstrap over prompts. In nats per token, lower is better;
comparable between models that share a tokenizer, because a token is another amount of text in another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.config import ModelSettings
from handpicked.errors import Refused
from handpicked.models.head import IGNORED, label_losses
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.template import Encoded, Template, load_template
from handpicked.progress import SILENT, Progress
from handpicked.records import Message, Prompt
from handpicked.store.journal import append, recover


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
    model: ModelSettings,
    adapter: Path | None,
    template: str,
    out_file: Path,
    *,
    arm: str,
    batch_size: int = 8,
    progress: Progress = SILENT,
) -> list[ReferenceLoss]:
    """The loss on the reference of every prompt that has one, in the order of ``prompts``.

    ``template`` must be the one the arm was trained with (``auto`` for the base model). ``batch_size`` is
    references in a forward pass and changes no value beyond rounding. Results are appended to ``out_file``
    batch by batch; those already there are kept. A prompt and reference longer than the model's context have
    no value, with the reason.

    Raises ConfigError and MissingPart as loading the model does; StoreError for a
    file that cannot be written.
    """
    tokenizer = load_tokenizer(model)
    text_of = load_template(template, tokenizer)
    encoded, refused = _encoded(prompts, text_of, arm)
    done = refused | {record["prompt_id"]: ReferenceLoss(**record) for record in recover(out_file)}
    wanted = sorted(
        (name for name in encoded if name not in done), key=lambda name: (-len(encoded[name].ids), name)
    )
    with progress(f"held-out loss {arm}", total=len(encoded)) as step:
        step(sum(name in done for name in encoded))
        loaded = load_model(model, adapter=adapter) if wanted else None
        for at in range(0, len(wanted), batch_size):
            names = wanted[at : at + batch_size]
            results = _batch(loaded, arm, {name: encoded[name] for name in names})
            append(out_file, results)
            done |= {result.prompt_id: result for result in results}
            step(len(results))
    return [done[prompt.prompt_id] for prompt in prompts if prompt.reference is not None]


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
    fitting = {name: row for name, row in rows.items() if len(row.ids) <= context}
    losses = dict(zip(fitting, row_losses(model, list(fitting.values())), strict=True)) if fitting else {}
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
