"""The forward pass of the Llama architecture over rows laid end to end, on a CPU.

The model's own code takes a rectangle of rows and works on its padding too, and makes each small step anew in memory. Here
rows follow each other in one line, each attends to itself alone, the last token of a row is left out (what follows it is no
token), and sums are made in place. At a few hundred lines on one thread NumPy's products, OpenBLAS, are
faster than MKL on a CPU of AMD's and slower on one of Intel's (figures in ``benchmarks/README.md``): each has its own. The
values are the model's own to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from handpicked.models.threads import CHANGING
from handpicked.score.forward import LOGITS, Prefix, surprise

if TYPE_CHECKING:
    import numpy as np
    import torch

    Line = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    """The tokens of a row, and which of them are scored."""


def packable(model: Any) -> bool:
    """Whether ``packed_losses`` computes what ``model`` does: a Llama of transformers' own modules, in float32, on a CPU."""
    import torch
    from transformers.models.llama import modeling_llama as llama

    if type(model) is not llama.LlamaForCausalLM or model.device.type != "cpu":
        return False
    own = {
        llama.LlamaForCausalLM,
        llama.LlamaModel,
        llama.LlamaDecoderLayer,
        llama.LlamaAttention,
        llama.LlamaMLP,
        llama.LlamaRMSNorm,
        llama.LlamaRotaryEmbedding,
        torch.nn.Linear,
        torch.nn.Embedding,
        torch.nn.ModuleList,
        type(model.model.layers[0].mlp.act_fn),
    }
    return (
        all(type(part) in own and part._compiled_call_impl is None for part in model.modules())
        and all(weight.dtype == torch.float32 for weight in model.parameters())
        and not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
        and model.model.rotary_emb.rope_type not in CHANGING
    )


def packed_losses(
    model: Any,
    rows: Sequence[Line],
    prefix: Prefix | None = None,
) -> torch.Tensor:
    """The negative log-likelihood, in nats, of every scored token, row by row: float32 [n].

    ``rows``: of each its tokens and which of them are scored (never the first, which nothing predicts); ``prefix`` comes before
    every row. ``model`` is one that ``packable`` admits.
    """
    import numpy as np
    import torch

    lengths = [len(tokens) - 1 for tokens, _ in rows]
    ids = torch.from_numpy(np.concatenate([tokens[:-1] for tokens, _ in rows]).astype(np.int64))
    answers = np.concatenate([tokens[1:][scored[1:]] for tokens, scored in rows]).astype(np.int64)
    scored = torch.from_numpy(np.concatenate([scored[1:] for _, scored in rows]))
    states = _norm(model.model.norm, _body(model.model, ids, lengths, prefix)[scored])
    block = max(LOGITS // model.config.vocab_size, 1)
    losses = [
        surprise(_product(model.lm_head, some), answer)
        for some, answer in zip(states.split(block), torch.from_numpy(answers).split(block), strict=True)
    ]
    return torch.cat(losses)


def _body(body: Any, ids: torch.Tensor, lengths: Sequence[int], prefix: Prefix | None) -> torch.Tensor:
    """What the last layer gives, [tokens, width]."""
    import torch

    before = prefix.states[0][0].shape[2] if prefix else 0
    positions = torch.cat([torch.arange(before, before + length) for length in lengths])
    hidden = body.embed_tokens(ids)
    cos, sin = (part[0, :, None] for part in body.rotary_emb(hidden, positions[None]))
    sin = torch.cat([-sin[..., : sin.shape[-1] // 2], sin[..., sin.shape[-1] // 2 :]], dim=-1)
    masks = {length: _mask(length, before) for length in lengths} if before else {}
    for number, layer in enumerate(body.layers):
        part, mlp = layer.self_attn, layer.mlp
        states = _norm(layer.input_layernorm, hidden)
        made = [_product(linear, states) for linear in (part.q_proj, part.k_proj, part.v_proj)]
        queries, keys, values = (one.unflatten(-1, (-1, part.head_dim)) for one in made)
        queries, keys = _turned(queries, cos, sin), _turned(keys, cos, sin)
        pieces = zip(queries.split(lengths), keys.split(lengths), values.split(lengths), strict=True)
        known = prefix.states[number] if prefix else None
        attended = [_attended(part.scaling, *piece, known, masks.get(len(piece[0]))) for piece in pieces]
        hidden += _product(part.o_proj, torch.cat(attended))
        states = _norm(layer.post_attention_layernorm, hidden)
        gate = mlp.act_fn(_product(mlp.gate_proj, states))
        hidden += _product(mlp.down_proj, gate.mul_(_product(mlp.up_proj, states)))
    return hidden


def _attended(
    scaling: float,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    known: tuple[torch.Tensor, torch.Tensor] | None,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """The attention of one row's tokens, [tokens, heads, width] each, to itself and the ``known`` keys and values before it."""
    import torch

    queries, keys, values = (part.transpose(0, 1)[None] for part in (queries, keys, values))
    if known is not None:
        keys, values = (torch.cat(pair, dim=2) for pair in zip(known, (keys, values), strict=True))
    found: torch.Tensor = torch.nn.functional.scaled_dot_product_attention(
        queries, keys, values, mask, is_causal=mask is None, scale=scaling, enable_gqa=True
    )
    return found[0].transpose(0, 1).flatten(1)


def _mask(length: int, before: int) -> torch.Tensor:
    """What is added to the weights of ``length`` tokens that look at ``before`` more, themselves and those between."""
    import torch

    return torch.full((length, before + length), -torch.inf).triu(before + 1)


def _turned(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions, as in transformers: the first half of ``sin`` comes with its sign turned."""
    import torch

    return torch.addcmul(states * cos, states.roll(states.shape[-1] // 2, dims=-1), sin)


def _norm(norm: Any, states: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _product(linear: Any, states: torch.Tensor) -> torch.Tensor:
    """``linear`` of ``states`` [lines, width]."""
    import numpy as np
    import torch

    if not _by_numpy():
        made: torch.Tensor = linear(states)
        return made
    made = torch.empty(len(states), linear.out_features)
    np.matmul(states.numpy(), linear.weight.detach().numpy().T, out=made.numpy())
    return made if linear.bias is None else made.add_(linear.bias)


@functools.cache
def _by_numpy() -> bool:
    """Whether NumPy's products are to be used: where torch's are MKL's and the CPU is none of Intel's, for which MKL is made."""
    import torch

    return bool(torch.backends.mkl.is_available()) and "Intel" not in str(
        torch.cpu.get_capabilities().get("cpu_name", "")
    )
