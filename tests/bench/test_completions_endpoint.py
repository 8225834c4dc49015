"""Likelihoods through an endpoint that completes: the same numbers as from the model itself,
which the endpoint serves.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_benchmarks import write_benchmarks

from handpicked.bench import ServedModel
from handpicked.bench.lm import open_endpoint
from handpicked.config import BenchSettings, ModelSettings
from handpicked.experiment import bench_model as benching
from local_http import JsonHandler, serving

pytest.importorskip("lm_eval", reason="needs the bench extra")

NAMES = ["winogrande", "truthfulqa-mc2", "hellaswag"]


@contextmanager
def completions(folder: Path) -> Iterator[str]:
    """The address of a server that completes with the model in ``folder``, and tells the
    likelihood of what it was given.
    """
    import torch

    from handpicked.models.load import load_model, load_tokenizer

    settings = ModelSettings(name=str(folder), dtype="float32")
    model, tokenizer, one_at_a_time = (
        load_model(settings, on="cpu"),
        load_tokenizer(settings),
        threading.Lock(),
    )

    def choice(index: int, prompt: list[int] | str) -> dict[str, Any]:
        ids = tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        with torch.inference_mode(), one_at_a_time:
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        shown = [*ids, int(logprobs[-1].argmax())]
        of_tokens: list[float | None] = [None]
        tops: list[dict[str, float] | None] = [None]
        for place, token in enumerate(shown[1:]):
            best = int(logprobs[place].argmax())
            tops.append({str(one): float(logprobs[place, one]) for one in (best, token)})
            of_tokens.append(float(logprobs[place, token]))
        found = {"token_logprobs": of_tokens, "top_logprobs": tops, "tokens": [str(token) for token in shown]}
        return {"index": index, "text": tokenizer.decode(shown), "logprobs": found, "finish_reason": "length"}

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            body = json.loads(self.body())
            assert self.path == "/v1/completions" and body["echo"] and body["max_tokens"] == 1
            prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
            self.reply({"choices": [choice(i, prompt) for i, prompt in enumerate(prompts)]})

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/v1"


def test_likelihoods_through_an_endpoint_are_those_of_the_model(tiny_model, tmp_path):
    model = tmp_path / "model"  # TruthfulQA's prompts are longer than the tiny model takes, in bytes
    shutil.copytree(tiny_model, model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4096}))
    settings = BenchSettings(data=str(write_benchmarks(tmp_path / "data", rows=4)), limit=4)
    here = benching.model_subject(str(model), None, "auto", settings)
    expected = benching.bench(here, NAMES, settings, tmp_path / "here")
    with completions(model) as url:
        there = benching.endpoint_subject(ServedModel(url, "tiny", tokenizer=str(model), max_length=4096))
        found = benching.bench(there, NAMES, settings, tmp_path / "there")
    of = [{row.benchmark: row.arms[0].score for row in one.benchmarks} for one in (expected, found)]
    assert list(of[1]) == NAMES
    for name in NAMES:
        assert of[1][name].n == of[0][name].n == 4
        assert of[1][name].value == pytest.approx(of[0][name].value, abs=1e-5)


def test_prompts_are_cut_at_what_the_model_takes(tiny_model, tmp_path):
    def takes(**fields: Any) -> int:
        lm = open_endpoint(ServedModel("http://127.0.0.1:9/v1", "tiny", **fields))
        return int(lm.max_length) + 1  # lm-eval leaves room for one token of a reply

    assert takes() == 2048
    assert takes(tokenizer=str(tiny_model)) == 2048  # it does not say
    assert takes(tokenizer=str(tiny_model), max_length=512) == 512
    knows = tmp_path / "knows"
    shutil.copytree(tiny_model, knows)
    found = json.loads((knows / "tokenizer_config.json").read_text())
    (knows / "tokenizer_config.json").write_text(json.dumps(found | {"model_max_length": 300}))
    assert takes(tokenizer=str(knows)) == 300
