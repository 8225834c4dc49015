"""What trackers write stays in the run folder. A tracker that is not installed here is skipped."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.train import train
from handpicked.train.job import write_job
from handpicked.train.launch import Launch, run_training
from handpicked.train.trackers import tracked
from handpicked.workers.devices import parse_devices

pytest.importorskip("trl", reason="needs the train extra")

SETTINGS = TrainSettings(epochs=1, batch_size=4, learning_rate=1e-2, merge=False)


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model))


def test_tensorboard_has_the_loss_of_every_step_beside_the_model(rows, model, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = SETTINGS.model_copy(update={"report_to": ("tensorboard",)})
    result = train(rows, model, settings, tmp_path / "out", arm="a")
    logs = EventAccumulator(str(tmp_path / "out" / "logs" / "tensorboard"))
    logs.Reload()
    found = [(event.step, event.value) for event in logs.Scalars("train/loss")]
    assert [step for step, _ in found] == [1, 2, 3]
    assert [value for _, value in found] == pytest.approx([loss for _, loss in result.losses], rel=1e-6)


def test_trackio_keeps_its_database_beside_the_model(rows, model, tmp_path):
    """In a process of its own, as runs do: trackio reads its folder once, when it is imported."""
    pytest.importorskip("trackio", reason="needs trackio")
    settings = SETTINGS.model_copy(update={"report_to": ("trackio",)})
    job = write_job(tmp_path / "out" / "rows", rows, model, settings, tmp_path / "out", arm="a")
    run_training(Launch("one", parse_devices("cpu")), job, tmp_path / "out", arm="a")
    (database,) = (tmp_path / "out" / "logs" / "trackio").glob("*.db")
    with sqlite3.connect(database) as opened:
        logged = opened.execute("select run_name, metrics from metrics").fetchall()
    assert {name for name, _ in logged} == {"a"}
    assert sum("train/loss" in json.loads(metrics) for _, metrics in logged) == 3


def test_a_folder_of_the_users_own_is_left_to_him(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "/elsewhere")
    monkeypatch.delenv("WANDB_DIR", raising=False)
    with tracked(("tensorboard", "wandb"), tmp_path):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == "/elsewhere"
        assert os.environ["WANDB_DIR"] == str(tmp_path / "logs" / "wandb")
        assert os.environ["WANDB_PROJECT"] == "handpicked"
    assert "WANDB_DIR" not in os.environ and os.environ["TENSORBOARD_LOGGING_DIR"] == "/elsewhere"
