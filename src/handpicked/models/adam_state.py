"""Saves a state of training for LESS: the adapter and Adam's moments of its weights, as safetensors.

Training writes them (``train.keep_optimizer``) and LESS reads them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError
from handpicked.models.load import identity

if TYPE_CHECKING:
    from peft import PeftModel
    from torch.optim import Optimizer


STATES = "states"
"""The folder, below an arm's, that holds one folder a state: ``step-12``."""
MOMENTS = "optimizer.safetensors"


@dataclass(frozen=True)
class AdamState:
    """One state: where it is, and what it takes to go on from it.

    ``learning_rate`` is the mean over the optimizer steps since the state before it; ``step`` counts
    optimizer steps; ``made_of`` is the identity of the base model.
    """

    folder: Path
    step: int
    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    template: str
    max_length: int
    model: ModelSettings
    made_of: str


def save_state(model: PeftModel, optimizer: Optimizer, folder: Path, about: Mapping[str, str]) -> None:
    """Write adapter and moments of a PEFT model into ``folder``, which gets its name only when it is whole."""
    from safetensors.torch import save_file

    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    model.save_pretrained(aside)
    group = optimizer.param_groups[0]
    moments = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            for moment in ("exp_avg", "exp_avg_sq"):
                moments[f"{moment}.{name}"] = optimizer.state[weight][moment].detach().cpu().contiguous()
    betas = {"beta1": str(group["betas"][0]), "beta2": str(group["betas"][1]), "epsilon": str(group["eps"])}
    save_file(moments, aside / MOMENTS, metadata={**about, **betas})
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def find_states(checkpoint: str) -> list[AdamState]:
    """The states in the folder ``checkpoint``: it is one itself, or holds several, or is an arm's
    folder that does. By step.

    Raises:
        ConfigError: there is none, or the model that they belong to is another one now.
    """
    place = Path(checkpoint).expanduser()
    if not place.is_dir():
        raise ConfigError(f"checkpoint: there is no folder {checkpoint} (looked at {place.absolute()}).")
    found = [place] if (place / MOMENTS).is_file() else []
    for folder in (place, place / STATES):
        found = found or [path.parent for path in folder.glob(f"step-*/{MOMENTS}")]
    if not found:
        raise ConfigError(
            f"checkpoint: {checkpoint} holds no {MOMENTS}: Adam's moments are kept only on request. "
            "Train with train.keep_optimizer: "
            f"true, then give the arm's folder, or one of the folders below its {STATES}/."
        )
    states = sorted((_read(folder) for folder in found), key=lambda state: state.step)
    first = states[0]
    if any(
        (one.made_of, one.template, one.max_length) != (first.made_of, first.template, first.max_length)
        for one in states
    ):
        raise ConfigError(
            f"checkpoint: the states in {checkpoint} are of different trainings. Give those of one."
        )
    if identity(first.model) != first.made_of:
        raise ConfigError(
            f"checkpoint: {checkpoint} is of the model {first.model.name} as it was "
            f"({first.made_of[:40]}...); what has that name now "
            "is another one, whose gradients would be meaningless. Restore it, or train again."
        )
    return states


def _read(folder: Path) -> AdamState:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / MOMENTS, "pt") as file:
            about = file.metadata() or {}
        return AdamState(
            folder,
            int(about["step"]),
            float(about["learning_rate"]),
            float(about["beta1"]),
            float(about["beta2"]),
            float(about["epsilon"]),
            about["template"],
            int(about["max_length"]),
            ModelSettings.model_validate_json(about["model"]),
            about["made_of"],
        )
    except (SafetensorError, KeyError, ValueError) as error:
        raise ConfigError(f"checkpoint: {folder / MOMENTS} is damaged: {error}. Train again.") from error
