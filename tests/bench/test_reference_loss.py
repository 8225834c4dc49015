"""The loss on a reference is the model's own, whatever the batch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from handpicked.bench import reference_loss
from handpicked.config import ModelSettings
from handpicked.models.load import load_model, load_tokenizer
from handpicked.models.served import ArmModel
from handpicked.records import Message, Prompt

torch = pytest.importorskip("torch", reason="needs the train extra")

PROMPTS = [
    Prompt(f"p{i}", (Message("user", "why " * i + "?"),), "test", reference="because " * (40 // i))
    for i in (1, 9, 3, 30, 2, 17)
]


@pytest.fixture
def model(tiny_model: Path) -> ModelSettings:
    return ModelSettings(name=str(tiny_model), dtype="float32")


def measure(model: ModelSettings, out: Path, prompts=PROMPTS, batch_size: int = 4):
    return reference_loss(prompts, ArmModel(model), out, name="base", batch_size=batch_size)


def test_it_is_the_mean_over_reference_and_end_token(model, tmp_path):
    """By hand, row by row: the whole conversation through the model, the loss of the last tokens."""
    tokenizer, loaded = load_tokenizer(model), load_model(model)
    for prompt, result in zip(PROMPTS, measure(model, tmp_path / "a.jsonl"), strict=True):
        turns = [{"role": "user", "content": prompt.text}]
        before = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        answer = tokenizer(prompt.reference)["input_ids"] + [2]
        with torch.no_grad():
            logits = loaded(torch.tensor([before + answer])).logits[0, len(before) - 1 : -1]
        expected = torch.nn.functional.cross_entropy(logits, torch.tensor(answer))
        assert result.tokens == len(answer)
        assert result.value == pytest.approx(float(expected), rel=1e-5)


def test_the_batch_size_changes_nothing_but_rounding(model, tmp_path):
    one = [r.value for r in measure(model, tmp_path / "1.jsonl", batch_size=1)]
    six = [r.value for r in measure(model, tmp_path / "6.jsonl", batch_size=6)]
    assert one == pytest.approx(six, rel=1e-5)


def test_a_torn_file_is_completed(model, tmp_path):
    whole = measure(model, tmp_path / "a.jsonl")
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes((tmp_path / "a.jsonl").read_bytes()[:150])
    again = measure(model, torn)
    assert [r.prompt_id for r in again] == [r.prompt_id for r in whole]
    assert [r.value for r in again] == pytest.approx([r.value for r in whole], rel=1e-5)


def test_what_does_not_fit_the_context_has_no_value_but_a_reason(model, tmp_path):
    long = dataclasses.replace(PROMPTS[0], prompt_id="long", reference="x" * 600)
    first, last = measure(model, tmp_path / "a.jsonl", [PROMPTS[1], long])
    assert first.value is not None
    assert last.value is None
    assert "context of 512" in last.reason


def test_prompts_without_reference_are_left_out(model, tmp_path):
    bare = dataclasses.replace(PROMPTS[0], reference=None)
    assert [r.prompt_id for r in measure(model, tmp_path / "a.jsonl", [bare, PROMPTS[1]])] == ["p9"]
