"""Rows laid end to end have the losses that transformers gives them, one at a time."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the lm extra")
transformers = pytest.importorskip("transformers", reason="needs the lm extra")

from handpicked.scorers.lm import packed  # noqa: E402
from handpicked.scorers.lm.forward import shared_prefix  # noqa: E402
from handpicked.scorers.lm.packed import Packed, packable  # noqa: E402

SIZE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.5,
}
KINDS = {
    "grouped heads": {},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "tied head": {"tie_word_embeddings": True},
    "other activation, wide heads": {"hidden_act": "gelu", "head_dim": 16},
    "llama3": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
    "yarn": {
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "original_max_position_embeddings": 16,
        }
    },
}


def llama(dtype=None, **settings):
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**SIZE, **settings})).eval()
    for name, weight in model.named_parameters():
        if name.endswith(("bias", "norm.weight")):  # which start as zeros and ones
            torch.nn.init.normal_(weight, std=0.5)
    return model.to(dtype) if dtype else model


def rows():
    draw = np.random.default_rng(0)
    found = []
    for length in (9, 1, 17, 2, 5, 17):
        tokens = draw.integers(0, 64, length)
        found.append((tokens, draw.random(length) < 0.6))
    return found


def expected(model, line, prefix=()):
    tokens, scored = line
    ids = torch.tensor([[*prefix, *tokens.tolist()]])
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, len(prefix) :]
        losses = torch.nn.functional.cross_entropy(logits[:-1], ids[0, len(prefix) + 1 :], reduction="none")
    return losses[torch.from_numpy(scored[1:])]


@pytest.fixture(params=["torch", "oneDNN", "oneDNN, weights as they lie"])
def products(request, monkeypatch):
    """Whose products are made, and of which weights."""
    if request.param != "torch" and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch comes without oneDNN")
    monkeypatch.setattr(packed, "_by_onednn", lambda: request.param != "torch")
    if request.param.endswith("lie"):
        monkeypatch.setattr(packed, "COPIED", 0)
    return request.param


@pytest.mark.parametrize("prefix", [[], [5, 6, 7, 8, 9]], ids=["alone", "after a prefix"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_transformers_row_by_row(kind, prefix, products, monkeypatch):
    model = llama(**KINDS[kind])
    assert packable(model)
    monkeypatch.setattr(packed, "PIECE", 23)  # the head in pieces, the last one narrower
    wanted = torch.cat([expected(model, line, prefix) for line in rows()])
    with torch.inference_mode():
        found = Packed.of(model).losses(rows(), shared_prefix(model, prefix) if prefix else None)
    assert len(found) > 14
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=2e-5)


def test_losses_depend_neither_on_batch_mates_nor_on_order():
    model = llama()
    with torch.inference_mode():
        one = Packed.of(model)
        together = one.losses(rows()[::-1])
        single = [one.losses([line]) for line in rows()[::-1]]
    torch.testing.assert_close(together, torch.cat(single), atol=1e-5, rtol=1e-5)


def test_a_model_is_left_as_it_was_whatever_is_made_of_its_weights(products):
    model = llama(**KINDS["biases"])
    wanted = torch.cat([expected(model, line) for line in rows()])
    one = Packed.of(model)
    torch.testing.assert_close(torch.cat([expected(model, line) for line in rows()]), wanted)
    part = model.model.layers[0].self_attn
    if products == "oneDNN":
        assert one.layers[0].attention.weight.is_mkldnn and one.head[0].weight.is_mkldnn
    else:  # no memory is added
        assert part.q_proj.weight.data_ptr() == one.layers[0].attention.weight.data_ptr()
        assert (
            part.v_proj.weight.untyped_storage().data_ptr() == part.q_proj.weight.untyped_storage().data_ptr()
        )
        assert one.head[0].weight.data_ptr() == model.lm_head.weight.data_ptr()


class Changed(torch.nn.Linear):
    """A product of another kind, as quantization and adapters put in."""


def test_another_model_is_left_to_its_own_code():
    assert packable(llama())
    assert not packable(llama(torch.bfloat16))
    assert not packable(llama(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}))
    mistral = transformers.MistralForCausalLM(transformers.MistralConfig(**SIZE, sliding_window=4))
    assert not packable(mistral)

    class Own(transformers.LlamaForCausalLM):
        pass

    assert not packable(Own(transformers.LlamaConfig(**SIZE)))
    replaced = llama()
    replaced.model.layers[1].mlp.up_proj = Changed(32, 48)
    assert not packable(replaced)
    hooked = llama()
    hooked.model.layers[0].register_forward_hook(lambda *_: None)
    assert not packable(hooked)
    compiled = llama()
    compiled.model.layers[0].compile()
    assert not packable(compiled)
