"""Losses of scored tokens only are those of a whole forward pass, for models that treat their
logits each in their own way.
"""

from __future__ import annotations

import pytest

pytest.importorskip("transformers", reason="needs the lm extra")

SIZE = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}


def made(name):
    import torch
    import transformers as t

    torch.manual_seed(0)
    if name == "gpt2":
        config = t.GPT2Config(vocab_size=64, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5)
        return t.GPT2LMHeadModel(config).eval()
    if name == "gemma2":  # caps its logits, and attends within windows in every second layer
        return t.Gemma2ForCausalLM(
            t.Gemma2Config(**SIZE, final_logit_softcapping=3.0, sliding_window=4)
        ).eval()
    if name == "cohere":  # scales its logits
        return t.CohereForCausalLM(t.CohereConfig(**SIZE, logit_scale=0.25)).eval()
    return t.MixtralForCausalLM(t.MixtralConfig(**SIZE, num_local_experts=2, sliding_window=None)).eval()


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "cohere", "mixtral"])
def test_a_shared_prefix_and_blocks_of_the_head_change_nothing(name, monkeypatch):
    import torch

    from handpicked.scorers.lm import forward

    model = made(name)
    prefix = [5, 6, 7, 8, 9, 10]
    rows = [[11, 12, 13, 14, 15], [21, 22, 23, 0, 0]]
    ids = torch.tensor(rows)
    labels = torch.tensor([[-100, -100, 13, 14, 15], [-100, 22, 23, -100, -100]])
    expected = []
    with torch.inference_mode():
        for row, label in zip(rows, labels.tolist(), strict=True):
            logits = model(input_ids=torch.tensor([prefix + row])).logits[0, len(prefix) - 1 : -1]
            losses = torch.nn.functional.cross_entropy(logits, torch.tensor(row), reduction="none")
            expected += [float(loss) for loss, one in zip(losses, label, strict=True) if one != -100]
        monkeypatch.setattr(forward, "LOGITS", 2 * 64)  # two positions at a time
        kept = forward.shared_prefix(model, prefix)
        if kept is None:
            assert name == "gemma2"  # a window forgets: the prefix must go through with every row
            whole = torch.cat([torch.tensor([prefix] * 2), ids], dim=1)
            marked = torch.cat([torch.full((2, len(prefix)), -100), labels], dim=1)
            found = forward.token_losses(model, whole, marked)
        else:
            found = forward.token_losses(model, ids, labels, prefix=kept)
            again = forward.token_losses(model, ids, labels, prefix=kept)
            assert torch.equal(found, again)  # the prefix is as it was
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
