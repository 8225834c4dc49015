"""vLLM needs a GPU: what can be known without one is that lm-eval's model takes what it is made with."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import pytest

from handpicked.bench.lm import vllm_arguments
from handpicked.config import ModelSettings
from handpicked.errors import ConfigError

pytest.importorskip("lm_eval", reason="needs the bench extra")


def test_lm_eval_knows_every_argument(tiny_model, tmp_path):
    spec = importlib.util.find_spec("lm_eval.models")
    source = Path(spec.submodule_search_locations[0]) / "vllm_causallms.py"
    of_class = next(
        node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "VLLM"
    )
    made = next(
        node for node in of_class.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    known = {argument.arg for argument in made.args.args}
    assert made.args.kwarg is not None, "what it does not know goes to vLLM's own LLM"
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 16}))
    (tmp_path / "adapter_model.safetensors").touch()
    arguments = vllm_arguments(ModelSettings(name=str(tiny_model)), tmp_path)
    assert arguments.pop("load_format") == "safetensors"
    assert arguments.keys() <= known


@pytest.mark.parametrize(
    ("config", "limit"), [({"r": 8}, 8), ({"r": 24}, 32), ({"r": 8, "rank_pattern": {"q_proj": 100}}, 128)]
)
def test_the_adapters_rank_is_reported(config, limit, tiny_model, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").touch()
    arguments = vllm_arguments(ModelSettings(name=str(tiny_model)), tmp_path)
    assert arguments["max_lora_rank"] == limit and arguments["lora_local_path"] == str(tmp_path)


def test_without_an_adapter_none_is_mentioned(tiny_model):
    assert "max_lora_rank" not in vllm_arguments(ModelSettings(name=str(tiny_model)), None)


def test_an_adapter_in_a_pickle_is_not_given_to_vllm(tiny_model, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8}))
    (tmp_path / "adapter_model.bin").touch()
    with pytest.raises(ConfigError, match="safetensors only"):
        vllm_arguments(ModelSettings(name=str(tiny_model)), tmp_path)
