"""QLoRA by bitsandbytes on a CPU: a 4-bit model is really trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.models.load import device
from handpicked.train import train

pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("bitsandbytes", reason="needs bitsandbytes, which no extra of handpicked installs")


@pytest.mark.slow
@pytest.mark.skipif(device() == "mps", reason="bitsandbytes has no 4 bits on Apple's GPUs")
def test_a_model_in_four_bits_learns_nearly_as_one_in_32(rows, tiny_model: Path, tmp_path):
    """Rounding to NF4 moves the losses a little, so that it is seen to be done."""
    model = ModelSettings(name=str(tiny_model), dtype="float32")
    settings = TrainSettings(epochs=4, batch_size=4, learning_rate=1e-2, seed=7)
    lora = train(rows, model, settings, tmp_path / "lora", arm="a")
    four = train(rows, model, settings.model_copy(update={"method": "qlora"}), tmp_path / "qlora", arm="a")
    ours, theirs = ([loss for _, loss in one.losses] for one in (four, lora))
    assert ours[0] != theirs[0] and ours[0] == pytest.approx(theirs[0], rel=0.03), "before any step"
    assert ours[-1] < ours[0] / 2 and theirs[-1] < theirs[0] / 2
    assert four.weight_change > 0 and four.adapter is not None and four.merged is not None
