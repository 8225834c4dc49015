"""A tiny model with a longer context, and made-up benchmark files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_benchmarks import write_benchmarks


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmarks(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="session")
def long_model(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """The tiny model with a context of 8,192 tokens (its tokens are bytes), so that no benchmark is cut."""
    import json

    folder = tmp_path_factory.mktemp("long-model") / "model"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8192}))
    return folder


@pytest.fixture(scope="session")
def opened(long_model: Path):
    """That model, as a stage opens it."""
    pytest.importorskip("lm_eval", reason="needs the bench extra")
    from handpicked.bench import LocalModel
    from handpicked.config import ModelSettings

    return LocalModel(ModelSettings(name=str(long_model), dtype="float32"), None, "auto", batch_size=4)


@pytest.fixture
def lm(opened, tmp_path: Path):
    """What benchmarks are run on: that model, in this process, with an empty work folder."""
    from handpicked.bench import InParts

    return InParts(opened, tmp_path / "requests")
