"""Perplexity and IFD against transformers' own loss, one row at a time, and against
what must not change them.
"""

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
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import device, load_model, load_tokenizer
from handpicked.progress import SILENT
from handpicked.scorers.lm import batching
from handpicked.scorers.lm.batching import Todo, batches
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.lm.losses import Losses, Pass
from handpicked.scorers.lm.passes import Passes
from handpicked.scorers.lm.tokenized import Tokenized
from handpicked.scorers.model.ifd import Ifd, ifd_table
from handpicked.scorers.model.perplexity import Perplexity, perplexity_table
from handpicked.scorers.model.superfiltering import Superfiltering
from handpicked.scorers.pool_scorer import FACTS, SCORES
from made_examples import parts, stopped
from memory_pool import MemoryPool

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
    """The loss that transformers gives for the tokens after the first ``context``, one row at a
    time, every logit computed.
    """
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
    assert {file.name for file in (tmp_path / "work").iterdir()} == {FACTS, SCORES}


def test_perplexity_is_that_of_transformers(lm, reference, tmp_path):
    found = scored(Perplexity(lm), MemoryPool(ROWS), tmp_path / "work")
    for number, row in enumerate(ROWS):
        assert found[number]["perplexity"] == pytest.approx(math.exp(reference(row)[0]), rel=1e-3)


def few(monkeypatch, tokens):
    """Batches of so few tokens."""
    monkeypatch.setattr(batching, "BATCH_TOKENS", dict.fromkeys(("cpu", "mps", "cuda"), tokens))


def test_values_do_not_depend_on_batch_order_window_or_mates(lm, tmp_path, monkeypatch):
    first = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "one")
    few(monkeypatch, 1)
    monkeypatch.setattr(batching, "WINDOW", 3)
    backwards = scored(Ifd(lm), MemoryPool(ROWS[::-1], shards=3, batch=2), tmp_path / "two")
    some = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "three", rows=[4, 9])
    for number, line in first.items():
        other = backwards[len(ROWS) - 1 - number]
        assert line["ifd"] == pytest.approx(other["ifd"], abs=1e-4)
        assert line["ifd_tokens"] == other["ifd_tokens"]
    assert sorted(some) == [4, 9] and some[9]["ifd"] == pytest.approx(first[9]["ifd"], abs=1e-4)


def test_values_do_not_depend_on_how_many_passes_run_at_once(lm, tmp_path, monkeypatch):
    import torch

    few(monkeypatch, 400)
    before = torch.get_num_threads()
    found = {}
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found[threads] = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / str(threads))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for number, line in found[1].items():
        for other in (found[2], found[5]):
            assert other[number]["ifd"] == pytest.approx(line["ifd"], abs=1e-4)


def test_a_hand_computed_ratio():
    """Two tokens of losses ln 2 and ln 8 given the prompt and ln 4 and ln 16 alone:
    perplexities 4 and 8, so IFD is 1/2.
    """
    tokenized = Tokenized(
        *(np.array(part) for part in ([5], [0, 3], [0], [0], [1, 2, 3], [False, True, True]))
    )
    given, alone = (math.log(2) + math.log(8)) / 2, (math.log(4) + math.log(16)) / 2
    losses = Losses(
        tokenized, {(5, False, 0): Pass(5, False, given), (5, True, 0): Pass(5, True, alone)}, True
    )
    (row,) = losses.rows()
    assert (row.row, row.tokens) == (5, 2)
    assert math.exp(row.given - row.alone) == pytest.approx(0.5)
    assert row.given / row.alone == pytest.approx(2 / 3)


def test_a_long_response_is_cut_at_its_end_and_this_is_counted(lm, reference, tmp_path):
    whole = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "whole")
    prompt = len(load_tokenizer(ModelSettings(name=lm.model))(ROWS[6]["prompt"])["input_ids"])
    limit = prompt + 60 + 5  # the template's own tokens are about 60 of these bytes
    found = scored(Ifd(replace(lm, max_length=limit)), MemoryPool(ROWS), tmp_path / "cut")
    cut = {row: line for row, line in found.items() if line["ifd_truncated"]}
    assert cut and len(cut) < len(ROWS)
    for row, line in cut.items():
        assert line["ifd_tokens"] + line["ifd_truncated"] == whole[row]["ifd_tokens"]
        if line["ifd_tokens"]:
            given, alone, _ = reference(ROWS[row], cut=int(line["ifd_tokens"]))
            assert line["ifd"] == pytest.approx(math.exp(given - alone), rel=1e-3)
    facts = json.loads((tmp_path / "cut" / FACTS).read_text())
    assert facts["truncated"] == {
        "rows": len(cut), "tokens": sum(int(line["ifd_truncated"]) for line in cut.values())
    }  # fmt: skip


def test_what_cannot_be_scored_is_null_with_its_reason(lm, tmp_path):
    pool = MemoryPool([{"prompt": "x" * 300, "response": "yes"}, {"prompt": "a", "response": " "}, ROWS[0]])
    found = scored(Ifd(replace(lm, max_length=120)), pool, tmp_path / "work")
    assert found[0]["ifd"] is None and found[0]["reason"] == (
        "the prompt leaves no room for the response within max_length"
    )
    assert found[0]["ifd_truncated"] == 3
    assert found[1]["ifd"] is None and found[1]["reason"] == "the response is empty"
    assert found[2]["ifd"] > 0 and found[2]["reason"] is None


def test_superfiltering_is_ifd_without_a_chat_template(lm, tmp_path):
    plain = scored(Ifd(replace(lm, template="plain")), MemoryPool(ROWS), tmp_path / "plain")
    same = scored(Superfiltering(replace(lm, template="plain")), MemoryPool(ROWS), tmp_path / "super")
    chat = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "chat")
    assert [line["superfiltering"] for line in same.values()] == [line["ifd"] for line in plain.values()]
    assert plain[3]["ifd"] != pytest.approx(chat[3]["ifd"], rel=1e-3)


def test_all_answers_are_scored_where_the_pool_was_read_so(lm, tmp_path):
    import handpicked as hp

    turns = [("user", "a"), ("assistant", "first"), ("user", "b"), ("assistant", "second one")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    file = tmp_path / "pool.jsonl"
    file.write_text(json.dumps(row) + "\n")
    last = scored(Perplexity(lm), hp.read(file), tmp_path / "last")
    both = scored(Perplexity(lm), hp.read(file, turns="all"), tmp_path / "all")
    assert last[0]["perplexity_tokens"] == len("second one")
    assert both[0]["perplexity_tokens"] == len("second one") + len("first")


def test_a_model_that_is_none_is_reported_at_once(tiny_model, tmp_path):
    with pytest.raises(ConfigError, match="no model folder"):
        Ifd(LanguageModel(str(tmp_path / "nothing"))).identity()
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')
    with pytest.raises(ConfigError, match="not a causal language model"):
        Ifd(LanguageModel(str(encoder))).identity()
    empty = tmp_path / "empty"
    shutil.copytree(tiny_model, empty)
    (empty / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="holds no weights"):
        Ifd(LanguageModel(str(empty))).identity()
    with pytest.raises(ConfigError, match="Did you mean 'chatml'"):
        Ifd(LanguageModel(str(tiny_model), template="chatlm")).identity()


def test_no_number_is_made_by_random_weights(tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    headless = tmp_path / "headless"
    shutil.copytree(tiny_model, headless)
    weights = load_file(headless / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, headless / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lack the weights lm_head\.weight"):
        scored(Ifd(LanguageModel(str(headless))), MemoryPool(ROWS), tmp_path / "work")
    assert not (tmp_path / "work" / SCORES).exists()


def test_a_loss_too_large_for_a_perplexity_is_null_with_its_reason():
    tokenized = Tokenized(
        *(np.array(part) for part in ([5, 6], [0, 2, 4], [0, 0], [0, 0], [1, 2, 1, 2], [False, True] * 2))
    )
    done = {
        (row, alone, 0): Pass(row, alone, loss)
        for row, given, by_itself in ((5, 710.0, 1.0), (6, 2.0, 3.0))
        for alone, loss in ((False, given), (True, by_itself))
    }
    for name, table, alone in (
        ("ifd", partial(ifd_table, "ifd"), True),
        ("perplexity", perplexity_table, False),
    ):
        lost, kept = table(Losses(tokenized, done, alone))[0].to_pylist()
        assert lost[name] is None and "over 709 nats" in lost["reason"]
        assert kept[name] > 0 and kept["reason"] is None


def test_compiling_without_a_compiler_is_refused_before_the_model_is_loaded(lm, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    if device() == "cpu":
        with pytest.raises(MissingPart, match="needs a C\\+\\+ compiler"):
            Ifd(replace(lm, compile=True)).identity()
    Ifd(lm).identity()


@pytest.mark.slow  # it compiles for half a minute
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler")
def test_compiling_changes_no_value(lm, tmp_path):
    plain = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "plain")
    compiled = scored(Ifd(replace(lm, compile=True)), MemoryPool(ROWS), tmp_path / "compiled")
    assert [line["ifd"] for line in compiled.values()] == pytest.approx(
        [line["ifd"] for line in plain.values()], rel=1e-4
    )


def test_the_identity_names_what_moves_the_values(lm, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(lm.model, other)
    assert Ifd(lm).identity() == Ifd(replace(lm, model=str(other))).identity()
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rope_theta": 5.0}))
    assert Ifd(lm).identity() != Ifd(replace(lm, model=str(other))).identity()
    assert Ifd(lm).identity() != Ifd(replace(lm, template="plain")).identity()


def test_an_interrupted_job_does_nothing_twice(lm, tmp_path, monkeypatch):
    few(monkeypatch, 100)
    monkeypatch.setattr(Ifd, "part_rows", 4)
    whole = scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "whole")
    stopped(Ifd(lm), MemoryPool(ROWS), tmp_path / "work", after=12)
    assert [part.name for part in parts(tmp_path / "work")] == ["000000.arrow"]

    forwarded: list[int] = []
    real = Passes._forward
    monkeypatch.setattr(
        Passes, "_forward", lambda run, *a: forwarded.extend(t.place for t in a[1]) or real(run, *a)
    )
    assert scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "work") == whole
    assert len(forwarded) == 2 * 8, "two passes over the rows of two parts"
    assert scored(Ifd(lm), MemoryPool(ROWS), tmp_path / "work") == whole and len(forwarded) == 16


@pytest.mark.slow
def test_a_killed_job_takes_up_where_it_stopped(lm, tmp_path):
    """Killed for real, in the middle, by a signal that cannot be caught; then run again."""
    rows = [{"prompt": f"say {n}", "response": f"{n} " * (20 + n % 50)} for n in range(2400)]
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [
        *(sys.executable, "-m", "handpicked", "score", str(file), "--scorer", "ifd"),
        *("--model", lm.model, "-o", str(tmp_path / "out")),
    ]
    environment = {**os.environ, "HANDPICKED_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not (done := parts(tmp_path / "cache")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {part: part.stat().st_mtime_ns for part in parts(tmp_path / "cache")}
    assert 0 < len(done) <= len(kept) < 5
    assert not (tmp_path / "out" / "scores.parquet").exists(), "only the folder of unfinished work is there"

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "2,400 rows" in again.stderr
    resumed = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    fresh = scored(Ifd(lm), MemoryPool(rows), tmp_path / "fresh")
    assert [line["ifd"] for line in resumed] == [line["ifd"] for line in fresh.values()]

    select = [
        *command[:3],
        "select",
        str(file),
        "--by",
        "ifd",
        "--size",
        "3",
        *command[-4:-1],
        str(tmp_path / "three"),
    ]
    chosen = subprocess.run(select, env=environment, capture_output=True, text=True, check=True)
    assert "rows, some" not in chosen.stderr  # nothing was computed, so nothing was estimated
    kept = [json.loads(line) for line in (tmp_path / "three" / "selected.jsonl").open()]
    best = sorted((line["ifd"], line["row"]) for line in resumed if line["ifd"] <= 1)[-3:]
    assert [rows.index(row) for row in kept] == sorted(row for _, row in best)


@pytest.mark.parametrize("budget", [1, 64, 1024])
def test_batches_hold_every_pass_once_and_little_padding(budget):
    todo = [Todo(place, bool(place % 2), 20 + place * 7 % 180) for place in range(512)]
    found = list(batches(todo, budget))
    assert sorted(one.place for batch in found for one in batch) == list(range(512))
    padded = sum(len(batch) * max(one.length for one in batch) for batch in found)
    assert all(len(batch) == 1 or len(batch) * batch[0].length <= budget for batch in found)
    assert padded <= sum(one.length for one in todo) * 1.05
