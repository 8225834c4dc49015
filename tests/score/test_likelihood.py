"""Perplexity and IFD against transformers' own loss, one row at a time, and against what must not change them."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pyarrow as pa
import pytest
from memory_pool import MemoryPool

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError
from handpicked.models.load import load_model, load_tokenizer
from handpicked.progress import SILENT
from handpicked.score import likelihood
from handpicked.score.ifd import Ifd
from handpicked.score.likelihood import LanguageModel, _Todo, batches
from handpicked.score.perplexity import Perplexity
from handpicked.score.pool_scorer import FACTS, SCORES
from handpicked.score.superfiltering import Superfiltering

ROWS = [
    {
        "prompt": f"Say {'very ' * (n % 4)}much of {n}.",
        "response": ("yes " * (1 + n % 7) + str(n)) * (1 + n % 3),
    }
    for n in range(12)
]


def scored(scorer, pool, work, rows=None):
    work.mkdir(exist_ok=True)
    scorer.score(pool, rows, work, SILENT)
    with pa.memory_map(str(work / SCORES)) as source:
        table = pa.ipc.open_file(source).read_all().to_pylist()
    return {line["row"]: line for line in table}


@pytest.fixture(scope="module")
def lm(tiny_model):
    return LanguageModel(str(tiny_model))


@pytest.fixture(scope="module")
def reference(tiny_model):
    """The loss that transformers gives for the tokens after the first ``context``, one row at a time, every logit computed."""
    import torch

    settings = ModelSettings(name=str(tiny_model), dtype="float32")
    model, tokenizer = load_model(settings, on="cpu"), load_tokenizer(settings)

    def loss(context: list[int], response: list[int]) -> float:
        ids = torch.tensor([context + response])
        labels = torch.tensor([[-100] * len(context) + response])
        with torch.inference_mode():
            return float(model(input_ids=ids, labels=labels).loss)

    def of(row, cut=None):
        context = tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, tokenize=True
        )
        context = context["input_ids"] if not isinstance(context, list) else context
        response = tokenizer(row["response"], add_special_tokens=False)["input_ids"][:cut]
        return loss(context, response), loss([tokenizer.bos_token_id], response), len(response)

    return of


def test_ifd_is_the_ratio_of_the_perplexities_that_transformers_gives(lm, reference, tmp_path):
    found = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "work")
    for number, row in enumerate(ROWS):
        given, alone, tokens = reference(row)
        line = found[number]
        assert line["ifd"] == pytest.approx(math.exp(given) / math.exp(alone), rel=1e-3)
        assert line["ifd_loss_ratio"] == pytest.approx(given / alone, rel=1e-3)
        assert line["ifd_perplexity"] == pytest.approx(math.exp(given), rel=1e-3)
        assert line["ifd_perplexity_alone"] == pytest.approx(math.exp(alone), rel=1e-3)
        assert line["ifd_over_1"] == (line["ifd"] > 1)
        assert (line["ifd_tokens"], line["ifd_truncated"], line["reason"]) == (tokens, 0, None)
    assert sorted(os.listdir(tmp_path / "work")) == [FACTS, SCORES]


def test_perplexity_is_that_of_transformers(lm, reference, tmp_path):
    found = scored(Perplexity(lm), MemoryPool(ROWS), tmp_path / "work")
    for number, row in enumerate(ROWS):
        assert found[number]["perplexity"] == pytest.approx(math.exp(reference(row)[0]), rel=1e-3)


def test_values_do_not_depend_on_batch_order_window_or_mates(lm, tmp_path, monkeypatch):
    first = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "one")
    monkeypatch.setattr(likelihood, "BATCH_TOKENS", {"cpu": 1, "mps": 1, "cuda": 1})
    monkeypatch.setattr(likelihood, "WINDOW", 3)
    backwards = scored(Ifd(lm), MemoryPool(ROWS[::-1], shards=3, batch=2), tmp_path / "two")
    some = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "three", rows=[4, 9])
    for number, line in first.items():
        other = backwards[len(ROWS) - 1 - number]
        assert line["ifd"] == pytest.approx(other["ifd"], abs=1e-4)
        assert line["ifd_tokens"] == other["ifd_tokens"]
    assert sorted(some) == [4, 9] and some[9]["ifd"] == pytest.approx(first[9]["ifd"], abs=1e-4)
