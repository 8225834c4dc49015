"""The parts of LESS: the gradient of one example, Adam's step for it, and a random projection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from handpicked.models.adam_state import MOMENTS, AdamState
from handpicked.models.head import predicted
from handpicked.models.template import Encoded
from handpicked.scorers.lm.forward import logits_at

if TYPE_CHECKING:
    import torch


def adapter_weights(model: Any) -> list[tuple[str, Any]]:
    """Names and tensors of the weights that are trained, in the model's order."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def gradient(model: Any, row: Encoded) -> torch.Tensor:
    """The gradient of one row's mean loss over its learned tokens, by all trained weights: float32 [weights].

    ``model`` has a PEFT adapter. One row at a time: no padding, and no other row to depend on.
    Several threads may call it.
    """
    import torch

    ids = torch.tensor([row.ids], device=model.device)
    wanted, answers = predicted(torch.tensor([row.labels], device=model.device))
    logits = logits_at(model.get_base_model(), ids, wanted)
    loss = torch.nn.functional.cross_entropy(logits.float(), answers)
    parts = torch.autograd.grad(loss, [weight for _, weight in adapter_weights(model)])
    return torch.cat([part.reshape(-1).float() for part in parts])


class AdamStep:
    """The direction in which Adam would step next for one more gradient, Kingma and Ba, 2015, algorithm 1.

    ``m' / (sqrt(v') + epsilon)`` with ``m' = (b1 m + (1 - b1) g) / (1 - b1^t)`` and ``v'`` alike of squares,
    where t counts this step too. Adam moves the weights by the learning rate against it. The published code
    leaves out the correction by ``1 - b^t``, which scales ``m'`` and ``v'`` alike for all weights, and puts
    epsilon under the root.
    """

    def __init__(self, state: AdamState, names: Sequence[str], device: Any) -> None:
        import torch
        from safetensors import safe_open

        with safe_open(state.folder / MOMENTS, "pt") as file:
            self.first, self.second = (
                torch.cat([file.get_tensor(f"{moment}.{name}").reshape(-1).float() for name in names]).to(
                    device
                )
                for moment in ("exp_avg", "exp_avg_sq")
            )
        self.beta1, self.beta2, self.epsilon = state.beta1, state.beta2, state.epsilon
        self.correct1 = 1 - state.beta1 ** (state.step + 1)
        self.correct2 = 1 - state.beta2 ** (state.step + 1)

    def __call__(self, gradient: torch.Tensor) -> torch.Tensor:
        first = (self.beta1 * self.first + (1 - self.beta1) * gradient) / self.correct1
        second = (self.beta2 * self.second + (1 - self.beta2) * gradient.square()) / self.correct2
        return first / (second.sqrt() + self.epsilon)


class Projection:
    """A random projection from ``weights`` to ``dimension`` numbers: every weight, with a random
    sign, is added to one of them.

    Inner products are kept on average, with the variance of a dense matrix of random signs, (|x|^2 |y|^2 + (x
    y)^2) / dimension at most (Charikar et al., 2002, count sketch; Weinberger et al., 2009, feature hashing,
    lemma 2), at one addition a weight in place of ``dimension`` of them. Each number gets equally many
    weights, so that fewer weights than numbers are kept as they are. Made on the CPU from ``seed``, so that
    every device has the same one. Memory: 5 bytes a weight.
    """

    def __init__(self, weights: int, dimension: int, seed: int, device: Any = "cpu") -> None:
        import torch

        draw = torch.Generator().manual_seed(seed)
        self.weights, self.dimension = weights, dimension
        size = -(-weights // dimension) * dimension
        self.order = torch.randperm(size, generator=draw).to(torch.int32).to(device)
        self.signs = (torch.randint(0, 2, (size,), generator=draw, dtype=torch.int8) * 2 - 1).to(device)

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        """float32 [weights] to float32 [dimension]."""
        import torch

        padded = torch.nn.functional.pad(vector, (0, len(self.order) - self.weights))
        return (padded.index_select(0, self.order) * self.signs).view(self.dimension, -1).sum(1)
