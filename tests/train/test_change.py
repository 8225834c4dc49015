"""How far training moved the weights: against the difference of the weights themselves."""

from __future__ import annotations

import math

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.errors import TrainingError
from handpicked.models.load import load_model
from handpicked.train import sft, train
from handpicked.train.change import WeightChange, adapter_change, refusal

pytest.importorskip("trl", reason="needs the train extra")

SETTINGS = TrainSettings(epochs=1, batch_size=4, micro_batch_size=2, learning_rate=1e-2, seed=7)


def weights(model: ModelSettings) -> dict:
    import torch

    return dict(load_model(model, dtype=torch.float64, on="cpu").named_parameters())


def measured(before: dict, after: dict) -> tuple[float, float]:
    """Norms of the change and of what was there before, over the weights that changed."""
    changed = [name for name in before if not before[name].equal(after[name])]
    squares = [
        (float((after[n] - before[n]).square().sum()), float(before[n].square().sum())) for n in changed
    ]
    return math.sqrt(sum(a for a, _ in squares)), math.sqrt(sum(b for _, b in squares))


@pytest.mark.parametrize(
    "changes", [{}, {"lora_alpha": 3, "lora_rank": 5}, {"method": "full", "learning_rate": 1e-3}]
)
def test_the_norm_is_that_of_the_difference_of_the_weights(changes, rows, tiny_model, tmp_path):
    base = ModelSettings(name=str(tiny_model))
    result = train(rows, base, SETTINGS.model_copy(update=changes), tmp_path, arm="a")
    norm, before = measured(weights(base), weights(ModelSettings(name=str(result.merged))))
    assert result.weight_change == pytest.approx(norm, rel=1e-4)
    assert result.weight_change_relative == pytest.approx(norm / before, rel=1e-4)


def test_a_product_too_small_for_float32_is_not_nothing(tmp_path):
    import torch
    from safetensors.torch import save_file

    pair = {"x.lora_A.weight": torch.full((2, 3), 1e-20), "x.lora_B.weight": torch.full((4, 2), 1e-20)}
    save_file(pair, tmp_path / "adapter_model.safetensors")
    assert adapter_change(tmp_path, 0.5, 1.0).norm == pytest.approx(0.5 * 2e-40 * math.sqrt(12))


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_that_changed_nothing_leaves_nothing_and_says_so(
    method, rows, tiny_model, tmp_path, monkeypatch
):
    import torch

    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, closure=None: None)
    settings = SETTINGS.model_copy(update={"method": method})
    with pytest.raises(
        TrainingError, match=r"Training of 'longest' changed no weight.*learning_rate \(0.01\)"
    ):
        train(rows, ModelSettings(name=str(tiny_model)), settings, tmp_path / "out", arm="longest")
    assert not (tmp_path / "out" / sft.ADAPTER).exists() and not (tmp_path / "out" / sft.MERGED).exists()


def test_weights_that_are_no_numbers_are_refused():
    assert "not numbers" in str(refusal(WeightChange(math.nan, 1.0), "a", 1.0))
    assert refusal(WeightChange(1e-30, 1.0), "a", 1.0) is None
