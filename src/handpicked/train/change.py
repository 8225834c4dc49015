"""How far training moved the weights: the L2 norm of their change."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings
from handpicked.errors import TrainingError
from handpicked.models.load import load_model

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class WeightChange:
    """``norm``: square root of the sum of the squared changes of all trained weights. ``before``: the same of
    the weights themselves before training. Of an adapter, the weights are those it is added to and the change
    is B A alpha / r.
    """

    norm: float
    before: float

    @property
    def relative(self) -> float:
        """The change as a share of the norm before."""
        return self.norm / self.before


def adapted_norm(model: PreTrainedModel) -> float:
    """The norm of the weights that the adapters of a PEFT model are added to, of 4-bit ones as they compute."""
    import torch
    from peft.utils.integrations import dequantize_module_weight

    layers = (module.get_base_layer() for module in model.modules() if hasattr(module, "lora_A"))
    norms = (
        torch.linalg.vector_norm(dequantize_module_weight(layer).detach(), dtype=torch.float32)
        for layer in layers
    )
    return math.sqrt(math.fsum(float(norm) ** 2 for norm in norms))


def adapter_change(adapter: Path, scale: float, before: float) -> WeightChange:
    """The change by the saved LoRA adapter in the folder ``adapter``; ``scale`` is alpha / r.

    |B A|^2 is the sum over all entries of (B'B)(AA'), r x r each, so that no product of the
    size of a weight is made.
    """
    from safetensors.torch import load_file

    weights = load_file(adapter / "adapter_model.safetensors")
    squares = 0.0
    for name, first in weights.items():
        if "lora_A" in name or "lora_embedding_A" in name:
            a = first.double().flatten(1)
            b = weights[name.replace("_A", "_B")].double().flatten(1)
            squares += max(0.0, float(((b.T @ b) * (a @ a.T)).sum()))
    return WeightChange(scale * math.sqrt(squares), before)


def model_change(trained: PreTrainedModel, model: ModelSettings) -> WeightChange:
    """The change from ``model`` as it is on disk to the weights of ``trained``. One tensor
    at a time goes to the CPU.
    """
    import torch

    untouched = dict(load_model(model, dtype=torch.float32, on="cpu").named_parameters())
    differences = (
        weight.detach().to("cpu", torch.float32) - untouched[name]
        for name, weight in trained.named_parameters()
    )
    return WeightChange(_norm(differences), _norm(untouched.values()))


def refusal(change: WeightChange, arm: str, peak_rate: float) -> TrainingError | None:
    """Why the result is unusable: no weight has changed, so that the arm would be the base model under
    another name, or a weight is not a number. None where it is usable.
    """
    if not math.isfinite(change.norm):
        return TrainingError(
            f"Training of '{arm}' ended with weights that are not numbers: lower train.learning_rate "
            f"({peak_rate:g}), or use float32."
        )
    if change.norm == 0:
        return TrainingError(
            f"Training of '{arm}' changed no weight: the result would be the base model. "
            f"Raise train.learning_rate ({peak_rate:g}), or train longer."
        )
    return None


def _norm(tensors: Iterable[torch.Tensor]) -> float:
    """Of tensors on the CPU, in float64: the square of a small change would be 0 in float32."""
    import torch

    norms = (float(torch.linalg.vector_norm(one.detach(), dtype=torch.float64)) for one in tensors)
    return math.sqrt(math.fsum(norm * norm for norm in norms))
