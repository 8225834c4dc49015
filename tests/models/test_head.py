"""The output head on labelled positions gives the loss and the gradient of the whole head."""

from __future__ import annotations

from pathlib import Path

import pytest

from handpicked.models.head import IGNORED, label_losses

torch = pytest.importorskip("torch", reason="needs the train extra")


def test_loss_and_gradient_equal_the_full_heads(tiny_model: Path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 250, (3, 20), generator=generator)
    labels = torch.where(torch.rand(ids.shape, generator=generator) < 0.4, ids, IGNORED)
    labels[:, 0] = ids[:, 0]  # predicts nothing, must not count

    ours = label_losses(model, labels, input_ids=ids)
    ours.mean().backward()
    gradient = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    full = model(input_ids=ids, labels=labels).loss
    full.backward()

    assert len(ours) == int((labels[:, 1:] != IGNORED).sum())
    torch.testing.assert_close(ours.mean(), full)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(gradient[name], weight.grad, msg=name)


def test_the_head_is_whole_again_afterwards(tiny_model: Path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    ids = torch.arange(3, 13)[None]
    label_losses(model, ids, input_ids=ids)
    assert model(input_ids=ids).logits.shape == (1, 10, model.config.vocab_size)
