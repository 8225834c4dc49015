"""Forward passes side by side: the same results in the same order, and nothing left running."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
from threadpoolctl import threadpool_info

torch = pytest.importorskip("torch", reason="needs the train extra")
transformers = pytest.importorskip("transformers", reason="needs the train extra")

from handpicked.models.threads import side_by_side  # noqa: E402


def llama(**settings):
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        **settings,
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).eval()


def test_each_pass_has_one_thread_and_the_results_are_in_order(two_threads):
    model = llama()
    batches = [torch.arange(1, length)[None] % 64 for length in (40, 9, 30, 3, 25, 17)]
    seen = []

    def forward(ids):
        seen.append((threading.get_ident(), torch.get_num_threads()))
        with torch.inference_mode():
            return model(input_ids=ids).logits

    found = list(side_by_side(forward, batches, model))
    assert {threads for _, threads in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}
    assert torch.get_num_threads() == 2
    for ids, logits in zip(batches, found, strict=True):
        torch.testing.assert_close(logits, forward(ids), atol=1e-5, rtol=1e-5)


def test_numpy_has_as_many_threads_as_the_pass(two_threads):
    pytest.importorskip("faiss")  # its own OpenBLAS, over OpenMP, counts for each thread; NumPy's is another

    def blas(_):
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        return {pool["num_threads"] for pool in pools if pool.get("threading_layer") != "openmp"}

    before = blas(None)
    assert before
    assert list(side_by_side(blas, [1, 2, 3], llama())) == [{1}] * 3
    assert blas(None) == before


@pytest.mark.parametrize("kind", ["dynamic", "compiled", "own code", "one thread"])
def test_passes_that_could_disturb_each_other_come_one_by_one(two_threads, kind):
    model = llama()
    if kind == "dynamic":
        model = llama(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0})
    elif kind == "compiled":
        model.model.layers[0].compile()
    elif kind == "own code":
        model = type("Own", (type(model),), {"__module__": "transformers_modules.own"})(model.config)
    else:
        torch.set_num_threads(1)
    seen = list(side_by_side(lambda _: threading.get_ident(), range(4), model))
    assert seen == [threading.get_ident()] * 4


def test_an_error_is_raised_and_what_has_not_begun_is_left(two_threads):
    begun = []

    def forward(number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        time.sleep(0.01)
        return number

    found = []
    with (
        pytest.raises(ValueError, match="three"),
        closing(side_by_side(forward, range(1000), llama())) as made,
    ):
        found.extend(made)
    assert found == [0, 1, 2]
    assert len(begun) < 1000
    assert torch.get_num_threads() == 2


def test_closed_early_it_stops(two_threads):
    begun = []

    def forward(number):
        begun.append(number)
        time.sleep(0.01)
        return number

    with closing(side_by_side(forward, range(1000), llama())) as made:
        assert next(made) == 0
    assert len(begun) < 1000
    count = len(begun)
    time.sleep(0.05)
    assert len(begun) == count


def test_nothing_to_do_needs_no_model():
    assert list(side_by_side(lambda _: None, [], None)) == []
