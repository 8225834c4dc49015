"""The forward pass of the Llama architecture over rows laid end to end, on a CPU.

The model's own code takes a rectangle of rows and works on its padding too, and makes each small step anew in memory. Here
rows follow each other in one line, each attends to itself alone, the last token of a row is left out (what follows it is no
token), products that read the same states are one, sums are made in place, and the head's logits are added up piece by piece.
On a CPU of AMD's the products are oneDNN's, which are faster there than MKL's (figures in ``benchmarks/README.md``). The values
are the model's own to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from handpicked.models.threads import CHANGING
from handpicked.scorers.lm.forward import Prefix

if TYPE_CHECKING:
    import torch

    Line = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    """The tokens of a row, and which of them are scored."""

PIECE = 1024
"""Rows of the head, tokens of the vocabulary, whose logits are made at a time: of 1,024 places 4 MB, which stay in the cache."""
COPIED = 2 << 30
"""Bytes of weights of which a copy is made in the order of oneDNN's kernels. Of more they are read as they lie."""


def packable(model: Any) -> bool:
    """Whether ``Packed`` computes what ``model`` does: a Llama of transformers' own modules, in float32, on a CPU."""
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


@dataclass(frozen=True)
class Product:
    """What some linear parts that read the same states make of them, side by side: ``weight`` [out, in], ``bias`` [out]."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    @staticmethod
    def of(*parts: Any) -> Product:
        """The product of these linear parts. Of several, their weights become views of one matrix, so that no memory is added."""
        import torch

        if len(parts) == 1:
            return Product(parts[0].weight.detach(), parts[0].bias)
        weight = torch.cat([part.weight.detach() for part in parts])
        for part, own in zip(parts, weight.split([part.out_features for part in parts]), strict=True):
            part.weight.data = own
        bias = None if parts[0].bias is None else torch.cat([part.bias.detach() for part in parts])
        return Product(weight, bias)

    def ordered(self) -> Product:
        """The same, of a copy of the weights in the order in which oneDNN's kernels read them."""
        import torch

        return Product(torch.ops.mkldnn._reorder_linear_weight(self.weight), self.bias)

    def pieces(self, width: int) -> Iterator[Product]:
        """This product in pieces of ``width`` outputs each, the last one of what is left."""
        for begin in range(0, len(self.weight), width):
            some = slice(begin, begin + width)
            yield Product(self.weight[some], None if self.bias is None else self.bias[some])

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Of ``states`` [lines, in]: [lines, out]."""
        import torch

        if _by_onednn():
            made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
                states, self.weight, self.bias, "none", [], ""
            )
            return made
        return torch.nn.functional.linear(states, self.weight, self.bias)


@dataclass(frozen=True)
class Layer:
    """The parts of one layer: what is joined is one product, which is faster than two or three narrow ones."""

    own: Any
    attention: Product
    out: Product
    widen: Product
    narrow: Product

    @staticmethod
    def of(layer: Any, ready: Callable[[Product], Product]) -> Layer:
        part, mlp = layer.self_attn, layer.mlp
        return Layer(
            layer,
            ready(Product.of(part.q_proj, part.k_proj, part.v_proj)),
            ready(Product.of(part.o_proj)),
            ready(Product.of(mlp.gate_proj, mlp.up_proj)),
            ready(Product.of(mlp.down_proj)),
        )


@dataclass(frozen=True)
class Packed:
    """A model that ``packable`` admits, ready for rows that are laid end to end."""

    model: Any
    layers: tuple[Layer, ...]
    head: tuple[Product, ...]

    @staticmethod
    def of(model: Any) -> Packed:
        copied = _by_onednn() and sum(part.nbytes for part in model.parameters()) <= COPIED

        def ready(product: Product) -> Product:
            return product.ordered() if copied else product

        layers = tuple(Layer.of(layer, ready) for layer in model.model.layers)
        return Packed(model, layers, tuple(map(ready, Product.of(model.lm_head).pieces(PIECE))))

    def losses(self, rows: Sequence[Line], prefix: Prefix | None = None) -> torch.Tensor:
        """The negative log-likelihood, in nats, of every scored token, row by row: float32 [n].

        ``rows``: of each its tokens and which of them are scored (never the first, which nothing predicts); ``prefix`` comes
        before every row.
        """
        import torch

        lengths = [len(tokens) - 1 for tokens, _ in rows]
        ids = torch.from_numpy(np.concatenate([tokens[:-1] for tokens, _ in rows]).astype(np.int64))
        answers = np.concatenate([tokens[1:][scored[1:]] for tokens, scored in rows]).astype(np.int64)
        scored = torch.from_numpy(np.concatenate([scored[1:] for _, scored in rows]))
        states = self._body(ids, lengths, scored, prefix)
        return self._surprise(_norm(self.model.model.norm, states), torch.from_numpy(answers))

    def _surprise(self, states: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """The cross-entropy of each line, from pieces of its logits that stay in the cache."""
        import torch

        total, top = torch.zeros(len(states)), torch.full((len(states),), -torch.inf)
        for piece in self.head:
            logits = piece(states)
            higher = torch.maximum(top, logits.amax(-1))
            total *= (top - higher).exp_()
            top = higher
            total += logits.sub_(top[:, None]).exp_().sum(-1)
        head = self.model.lm_head
        given = (states * head.weight[answers]).sum(-1)
        if head.bias is not None:
            given += head.bias[answers]
        return total.log_() + top - given

    def _body(
        self, ids: torch.Tensor, lengths: Sequence[int], scored: torch.Tensor, prefix: Prefix | None
    ) -> torch.Tensor:
        """What the last layer gives at the places that are scored, [places, width]."""
        import torch

        body = self.model.model
        before = prefix.states[0][0].shape[2] if prefix else 0
        positions = torch.cat([torch.arange(before, before + length) for length in lengths])
        hidden = body.embed_tokens(ids)
        cos, sin = (part[0, :, None] for part in body.rotary_emb(hidden, positions[None]))
        sin = torch.cat([-sin[..., : sin.shape[-1] // 2], sin[..., sin.shape[-1] // 2 :]], dim=-1)
        masks = {length: _mask(length, before) for length in lengths} if before else {}
        for number, layer in enumerate(self.layers):
            part, mlp = layer.own.self_attn, layer.own.mlp
            heads = layer.attention(_norm(layer.own.input_layernorm, hidden))
            heads = heads.unflatten(-1, (-1, part.head_dim))
            groups = part.config.num_key_value_heads
            turned = _turned(heads[:, :-groups], cos, sin)
            queries, keys, values = turned[:, :-groups], turned[:, -groups:], heads[:, -groups:]
            pieces = zip(queries.split(lengths), keys.split(lengths), values.split(lengths), strict=True)
            known = prefix.states[number] if prefix else None
            attended = torch.cat(
                [_attended(part.scaling, *piece, known, masks.get(len(piece[0]))) for piece in pieces]
            )
            if layer is self.layers[-1]:  # from here on nobody looks at the other places
                attended, hidden = attended[scored], hidden[scored]
            hidden += layer.out(attended)
            gate, up = layer.widen(_norm(layer.own.post_attention_layernorm, hidden)).chunk(2, dim=-1)
            hidden += layer.narrow(mlp.act_fn(gate).mul_(up))
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


@functools.cache
def _by_onednn() -> bool:
    """Whether oneDNN's products are to be used: where torch's own are MKL's and the CPU is none of Intel's, for which MKL is made."""
    import torch

    return (
        bool(torch.backends.mkl.is_available())
        and bool(torch.backends.mkldnn.is_available())
        and "Intel" not in str(torch.cpu.get_capabilities().get("cpu_name", ""))
    )
