"""One forward pass for the losses of some tokens.

The body runs once over the batch, after a prefix that all rows share and whose states are kept (a system
prompt). The head then runs on the scored positions only, some of them at a time, because a vocabulary of
50,000 makes 200 kB of logits a position. Both are the model's own code, so that scaling and capping of logits
stay as they are.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handpicked.models.head import predicted

if TYPE_CHECKING:
    import torch

LOGITS = 1 << 23
"""Logits that are made at a time on a CPU (32 MB of float32: fewer lines leave the product waiting for
memory, more leave the cache); eight times as many on an accelerator.
"""


@dataclass(frozen=True)
class Prefix:
    """The keys and values of a prefix in every layer, [1, heads, tokens, width], to be
    shared by all rows of a batch.
    """

    states: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    argument: str
    """The argument of the model that takes the cache."""

    def cache(self, rows: int) -> Any:
        """A cache for ``rows`` rows that begin with the prefix."""
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self.states):
            cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
        return cache


def shared_prefix(model: Any, ids: Sequence[int]) -> Prefix | None:
    """The states of ``ids``; None for a model that keeps other states than full keys and
    values (windows, recurrences).
    """
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    body = model.base_model
    with torch.inference_mode():
        outputs = body(input_ids=torch.tensor([list(ids)], device=model.device), use_cache=True)
    argument = "cache" if "cache" in outputs else "past_key_values"  # the older name, in transformers 5.16
    cache = outputs.get(argument)
    if (
        cache is None
        or type(cache) is not DynamicCache
        or any(type(layer) is not DynamicLayer for layer in cache.layers)
    ):
        return None
    return Prefix(tuple((layer.keys, layer.values) for layer in cache.layers), argument)


def token_losses(
    model: Any,
    ids: torch.Tensor,
    labels: torch.Tensor,
    *,
    embedded: torch.Tensor | None = None,
    prefix: Prefix | None = None,
) -> torch.Tensor:
    """The negative log-likelihood, in nats, of every labelled token, row by row: float32 [n].

    ``ids`` and ``labels`` [batch, length] as in ``models.head.label_losses``, which gives the same values;
    ``embedded`` [batch, length, width] replaces the embeddings of ``ids``; ``prefix`` comes before every
    row.
    """
    import torch

    wanted, answers = predicted(labels)
    inputs: dict[str, Any] = {"input_ids": ids} if embedded is None else {"inputs_embeds": embedded}
    if prefix is not None:
        inputs[prefix.argument] = prefix.cache(len(ids))
    outputs = model.base_model(**inputs, use_cache=False)
    hidden = outputs.last_hidden_state[wanted]
    block = LOGITS // model.config.get_text_config().vocab_size * (1 if ids.device.type == "cpu" else 8)
    losses = []
    for states, answer in zip(hidden.split(max(block, 1)), answers.split(max(block, 1)), strict=True):
        losses.append(cross_entropy(_head(model, outputs, states).float(), answer))
    return torch.cat(losses)


def logits_at(model: Any, ids: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The logits at the ``n`` true places of ``wanted`` [batch, length], row by row: [n, vocabulary]."""
    outputs = model.base_model(input_ids=ids, use_cache=False)
    return _head(model, outputs, outputs.last_hidden_state[wanted])


def _head(model: Any, outputs: Any, states: torch.Tensor) -> torch.Tensor:
    """The logits [n, vocabulary] that the model makes of ``states`` [n, width], as if
    its body had given these.
    """
    import torch

    given = copy.copy(outputs)
    given["last_hidden_state"] = states[None]
    one = torch.zeros(1, 1, dtype=torch.long, device=states.device)
    with _instead(model.base_model, given):
        logits: torch.Tensor = model(input_ids=one, use_cache=False).logits[0]
    return logits


def cross_entropy(logits: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """The cross-entropy of each line of ``logits``, which are overwritten: half the time of a
    function that copies them.
    """
    logits -= logits.amax(-1, keepdim=True)
    of_answer = logits.gather(1, answer[:, None])[:, 0]
    return logits.exp_().sum(-1).log() - of_answer


_GIVEN: ContextVar[Any] = ContextVar("_GIVEN", default=None)


@contextmanager
def _instead(body: Any, outputs: Any) -> Iterator[None]:
    """Within it, in this thread, ``body`` gives ``outputs`` and does nothing: what is called
    around it is the head alone.
    """
    if not hasattr(body.forward, "gives"):
        body.forward = _giving(body.forward)
    token = _GIVEN.set(outputs)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def _giving(own: Any) -> Any:
    """The forward pass ``own``, or what this thread was given instead."""

    @functools.wraps(own)
    def forward(*arguments: Any, **named: Any) -> Any:
        given = _GIVEN.get()
        return own(*arguments, **named) if given is None else given

    forward.gives = True  # type: ignore[attr-defined]
    return forward
