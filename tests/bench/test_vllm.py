"""vLLM needs a GPU: what can be known without one is that lm-eval's model takes what it is made with."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import pytest

from handpicked.bench.lm import vllm_arguments
from handpicked.config import ModelSettings

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
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 16}))
    assert vllm_arguments(ModelSettings(name=str(tiny_model)), tmp_path).keys() <= known


@pytest.mark.parametrize(
    ("config", "limit"), [({"r": 8}, 8), ({"r": 24}, 32), ({"r": 8, "rank_pattern": {"q_proj": 100}}, 128)]
)
def test_the_adapters_rank_is_told(config, limit, tiny_model, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    arguments = vllm_arguments(ModelSettings(name=str(tiny_model)), tmp_path)
    assert arguments["max_lora_rank"] == limit and arguments["lora_local_path"] == str(tmp_path)


def test_without_an_adapter_nothing_is_said_of_one(tiny_model):
    assert "max_lora_rank" not in vllm_arguments(ModelSettings(name=str(tiny_model)), None)
