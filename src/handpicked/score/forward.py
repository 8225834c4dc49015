"""One forward pass for the losses of some tokens, with no work that is not needed for them.

The body runs once over the batch. The head then runs on the scored positions only, some of them at a time: a vocabulary of
50,000 makes 200 kB of logits a position, and blocks that stay in memory already mapped are a tenth faster than one large
one. Both are the model's own code, so that scaling and capping of logits stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from handpicked.models.head import IGNORED

if TYPE_CHECKING:
    import torch

LOGITS = 1 << 22
"""Logits that are made at a time on a CPU (16 MB of float32); sixteen times as many on an accelerator."""


def token_losses(
    model: Any, ids: torch.Tensor, labels: torch.Tensor, embedded: torch.Tensor | None = None
) -> torch.Tensor:
    """The negative log-likelihood, in nats, of every labelled token, row by row: float32 [n].

    ``ids`` and ``labels`` [batch, length] as in ``models.head.label_losses``, which gives the same values; ``embedded``
    [batch, length, width] stands in for the embeddings of ``ids``.
    """
    import torch

    wanted = torch.zeros_like(labels, dtype=torch.bool)
    wanted[:, :-1] = labels[:, 1:] != IGNORED
    targets = labels[:, 1:][wanted[:, :-1]]
    body = getattr(model, model.base_model_prefix)
    inputs = {"input_ids": ids} if embedded is None else {"inputs_embeds": embedded}
    outputs = body(**inputs, use_cache=False)
    hidden = outputs.last_hidden_state[wanted]
    block = LOGITS // model.config.get_text_config().vocab_size * (1 if ids.device.type == "cpu" else 16)
    losses = []
    for states, answer in zip(hidden.split(max(block, 1)), targets.split(max(block, 1)), strict=True):
        given = copy.copy(outputs)
        given["last_hidden_state"] = states[None]
        with _instead(body, given):
            logits = model(input_ids=ids[:1, :1], use_cache=False).logits[0]
        losses.append(torch.nn.functional.cross_entropy(logits.float(), answer, reduction="none"))
    return torch.cat(losses)


@contextmanager
def _instead(body: Any, outputs: Any) -> Iterator[None]:
    """Within it ``body`` gives ``outputs`` and does nothing: what is called around it is the head alone."""
    own = body.__dict__.get("forward")
    body.forward = lambda *_, **__: outputs
    try:
        yield
    finally:
        if own is None:
            del body.forward
        else:
            body.forward = own
