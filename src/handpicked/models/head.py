"""Computes the output head only at the positions that are needed.

A prompt's logits are never used, yet they cost a vocabulary-sized product each: a third of all the work for a
small model. The hook hands the head just the hidden states whose next token is labelled; everything else is
the model's own code, so logit scaling and soft-capping stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

IGNORED = -100


@contextmanager
def head_only_at(model: PreTrainedModel, positions: torch.Tensor) -> Iterator[None]:
    """Within it, ``model(...).logits`` has shape [1, n, vocabulary]: the ``n`` true places of
    ``positions``, row by row.

    ``positions`` is a boolean tensor [batch, length]. ``model`` may be wrapped (PEFT, DDP, FSDP).
    """
    inner = getattr(model, "module", model)

    def select(_: object, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (inputs[0][positions][None], *inputs[1:])

    hook = inner.get_output_embeddings().register_forward_pre_hook(select)
    try:
        yield
    finally:
        hook.remove()


def predicted(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The places [batch, length] whose next token is labelled, and these ``n`` tokens row by row.

    ``labels`` [batch, length] holds token ids, and -100 where nothing is to be learned or scored; the first
    position of a row predicts nothing and is never counted.
    """
    import torch

    wanted = torch.zeros_like(labels, dtype=torch.bool)
    wanted[:, :-1] = labels[:, 1:] != IGNORED
    return wanted, labels[:, 1:][wanted[:, :-1]]


def label_logits(
    model: PreTrainedModel, labels: torch.Tensor, **inputs: object
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the model gives for every labelled token, row by row: logits float32 [n, vocabulary], and
    the ``n`` tokens themselves.

    ``labels`` as in ``predicted``.
    """
    wanted, answers = predicted(labels)
    with head_only_at(model, wanted):
        logits = model(**inputs, use_cache=False).logits[0]
    return logits.float(), answers


def label_losses(model: PreTrainedModel, labels: torch.Tensor, **inputs: object) -> torch.Tensor:
    """The negative log-likelihood, in nats, of every labelled token, row by row, of ``labels`` as in
    ``predicted``: float32 [n].
    """
    import torch

    logits, answers = label_logits(model, labels, **inputs)
    return torch.nn.functional.cross_entropy(logits, answers, reduction="none")
