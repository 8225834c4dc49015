"""Rows through a model: batches side by side on a CPU, kept in the order of the plan."""

from __future__ import annotations

import threading
import time

import pytest

from handpicked.scorers.lm.batching import BATCH_TOKENS
from handpicked.scorers.lm.model_rows import ModelRow, batches, compute_rows

torch = pytest.importorskip("torch", reason="needs the lm extra")
transformers = pytest.importorskip("transformers", reason="needs the lm extra")

ROWS = [ModelRow(number, [1] * (100 + number)) for number in range(20)]


@pytest.fixture
def model():
    sizes = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, num_attention_heads=1)).eval()


def test_batches_hold_as_many_tokens_as_suit_the_device(monkeypatch):
    monkeypatch.setattr("handpicked.scorers.lm.model_rows.device", lambda: "cpu")
    found = batches(ROWS, None)
    assert [row.row for batch in found for row in batch] == list(reversed(range(20)))
    assert {len(batch[0].ids) * len(batch) <= BATCH_TOKENS["cpu"] for batch in found} == {True}
    assert len(found) == 5 and len(batches(ROWS, 1)) == 20


def test_batches_are_computed_side_by_side_and_kept_in_order(model, two_threads):
    threads, meet = set(), threading.Barrier(2, timeout=30)

    def compute(batch):
        meet.wait()  # of two at once: one after the other would wait for ever
        threads.add(threading.get_ident())
        time.sleep(0.01 * batch[0].row % 0.03)
        return [[float(row.row)] for row in batch]

    plan = batches(ROWS, 400)[:6]
    steps = []
    found = compute_rows(plan, model, compute, steps.append)
    assert len(threads) == 2 and threading.get_ident() not in threads
    wanted = [row.row for batch in plan for row in batch]
    assert found == {row: [float(row)] for row in wanted} and list(found) == wanted
    assert sum(steps) == pytest.approx(len(wanted)) and len(steps) == 6
