"""The estimate's arithmetic against counts made by the libraries themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.config import ModelSettings, TrainSettings
from handpicked.models.load import load_model
from handpicked.train.build import lora_config
from handpicked.train.estimate import GIB, ModelSize, Work, estimate, model_size

LLAMA_7B = ModelSize(6_738_415_616, 32, 4096, 11008, 32000, 32 * (4 * 8192 + 3 * (4096 + 11008)))


def test_the_size_is_the_models(tiny_model: Path):
    peft = pytest.importorskip("peft", reason="needs the train extra")
    model = load_model(ModelSettings(name=str(tiny_model)))
    size = model_size(ModelSettings(name=str(tiny_model)))
    assert size.weights == model.num_parameters()
    settings = TrainSettings(lora_rank=4)
    adapted = peft.get_peft_model(model, lora_config(settings))
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert estimate(Work(10, 50, None, size), settings).trained_weights == trained


def test_full_fine_tuning_of_7b_takes_16_bytes_a_weight_and_activations():
    settings = TrainSettings(method="full", gradient_checkpointing=True, micro_batch_size=1)
    found = estimate(Work(1000, 512, None, LLAMA_7B), settings)
    assert 16 * LLAMA_7B.weights < found.memory < 16 * LLAMA_7B.weights + 4 * GIB
    assert (found.steps, found.tokens) == (24, 3 * 1000 * 512)


def test_lora_and_qlora_take_less():
    full, lora, qlora = (
        estimate(Work(1000, 512, None, LLAMA_7B), TrainSettings(method=m)).memory
        for m in ("full", "lora", "qlora")
    )
    assert qlora < lora < full / 3


def test_a_budget_counts_rows_as_they_are_cut():
    settings = TrainSettings(budget_tokens=6500, batch_size=8, max_length=100)
    found = estimate(Work(32, 250, None, LLAMA_7B), settings)
    assert (found.places, found.rows, found.steps, found.tokens) == (65, 32, 9, 6500)


def test_memory_is_that_of_the_longest_rows_and_tokens_are_those_of_the_average():
    settings = TrainSettings(micro_batch_size=4, batch_size=4, max_length=768)
    average = estimate(Work(1000, 100, None, LLAMA_7B), settings)
    heavy = estimate(Work(1000, 100, 5000, LLAMA_7B), settings)
    assert heavy.tokens == average.tokens and heavy.memory > average.memory
    assert heavy.memory == estimate(Work(1000, 768, None, LLAMA_7B), settings).memory
    packed = estimate(Work(1000, 100, None, LLAMA_7B), settings.model_copy(update={"packing": True}))
    assert packed.memory == heavy.memory
