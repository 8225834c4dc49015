"""NEFTune: noise on the embeddings while training, of the size that its alpha says, and none afterwards."""

from __future__ import annotations

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.models.load import load_model
from handpicked.train import train

pytest.importorskip("trl", reason="needs the train extra")

SETTINGS = TrainSettings(epochs=1, batch_size=4, micro_batch_size=2, learning_rate=1e-2, seed=7, merge=False)


def losses(rows, model, folder, alpha):
    settings = SETTINGS.model_copy(update={"neftune_noise": alpha})
    return [loss for _, loss in train(rows, model, settings, folder, arm="a").losses]


def test_noise_moves_the_losses_and_none_of_it_none(rows, tiny_model, tmp_path):
    model = ModelSettings(name=str(tiny_model), dtype="float32")
    plain, zero, much = (losses(rows, model, tmp_path / str(alpha), alpha) for alpha in (None, 0.0, 500.0))
    assert zero == plain
    assert abs(much[0] - plain[0]) > 0.01, "before the first step nothing differs but the noise"


def test_the_trained_model_itself_has_no_noise(rows, tiny_model, tmp_path):
    import torch

    model = ModelSettings(name=str(tiny_model))
    settings = SETTINGS.model_copy(update={"neftune_noise": 5.0})
    result = train(rows, model, settings, tmp_path / "out", arm="a")
    trained = load_model(model, adapter=result.adapter)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(trained(ids).logits, trained(ids).logits)
