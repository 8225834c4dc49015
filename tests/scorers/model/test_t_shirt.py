"""T-SHIRT's selective IFD and its choice, against the authors' algorithm written out."""

from __future__ import annotations

import heapq
import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handpicked.config import ModelSettings
from handpicked.models.load import load_model, load_tokenizer
from handpicked.progress import SILENT
from handpicked.scorers.lm import batching
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.lm.losses import Losses, Pass
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.tokenized import Tokenized
from handpicked.scorers.model.t_shirt import TShirt, delta_table, selective_ifd
from handpicked.scorers.pool_scorer import FACTS, SCORES
from handpicked.selectors.selector import Scores
from handpicked.selectors.t_shirt import Steady
from handpicked.workers import PartFiles, with_facts
from memory_pool import MemoryPool

ROWS = [{"prompt": f"Say much of {n}.", "response": "yes " * (1 + n % 4) + str(n)} for n in range(6)]


def scored(scorer, pool, work):
    work.mkdir()
    scorer.score(pool, None, work, SILENT)
    with pa.memory_map(str(work / SCORES)) as source:
        return pa.ipc.open_file(source).read_all().to_pylist()


def test_a_hand_computed_row():
    delta = np.array([-2.0, 0.5, -0.1, 0.0], np.float32)
    assert selective_ifd(delta, 0.2) == pytest.approx(math.exp(-0.75))
    assert selective_ifd(delta, 3.0) == 1.0


def test_without_neighbours_it_is_the_rows_own_selective_ifd(tiny_model, tmp_path):
    """Every token's loss from transformers' full logits, one row at a time; then the authors' formula."""
    import torch

    loading = ModelSettings(name=str(tiny_model), dtype="float32")
    model, tokenizer = load_model(loading, on="cpu"), load_tokenizer(loading)

    def losses(context, response):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([context + response])).logits[0, len(context) - 1 : -1]
        return torch.nn.functional.cross_entropy(logits, torch.tensor(response), reduction="none").numpy()

    deltas = []
    for row in ROWS:
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, tokenize=False
        )
        context = tokenizer(asked, add_special_tokens=False)["input_ids"]
        response = tokenizer(row["response"], add_special_tokens=False)["input_ids"]
        deltas.append(losses(context, response) - losses([tokenizer.bos_token_id], response))
    threshold = np.percentile(np.abs(np.concatenate(deltas)), 50)

    found = scored(TShirt(LanguageModel(str(tiny_model)), neighbours=0), MemoryPool(ROWS), tmp_path / "work")
    assert json.loads((tmp_path / "work" / FACTS).read_text())["threshold"] == pytest.approx(
        threshold, abs=1e-4
    )
    for line, delta in zip(found, deltas, strict=True):
        chosen = delta[np.abs(delta) > threshold]
        expected = math.exp(chosen.mean()) if len(chosen) else 1.0
        assert line["t-shirt"] == pytest.approx(expected, rel=1e-3)
        assert line["t-shirt_ifd"] == pytest.approx(math.exp(delta.mean()), rel=1e-3)
        assert line["t-shirt_spread"] == 0


def test_neighbours_do_not_depend_on_batch_or_order(tiny_model, tmp_path, monkeypatch):
    scorer = TShirt(LanguageModel(str(tiny_model)), neighbours=3)
    first = scored(scorer, MemoryPool(ROWS), tmp_path / "one")
    monkeypatch.setattr(batching, "BATCH_TOKENS", {"cpu": 1, "mps": 1, "cuda": 1})
    backwards = scored(scorer, MemoryPool(ROWS[::-1]), tmp_path / "two")[::-1]
    other = scored(TShirt(scorer.lm, neighbours=3, seed=1), MemoryPool(ROWS), tmp_path / "three")
    for column in ("t-shirt", "t-shirt_spread", "t-shirt_ifd"):
        assert [a[column] for a in first] == pytest.approx([b[column] for b in backwards], abs=1e-4)
    assert first[2]["t-shirt_spread"] > 0 and first[2]["t-shirt_spread"] != other[2]["t-shirt_spread"]


def test_noise_is_as_large_as_the_authors():
    noise = Noise(alpha=5.0).of(np.arange(16, dtype=np.int32), 64, neighbour=2)
    bound = 5.0 / math.sqrt(16 * 64)
    assert noise.shape == (16, 64) and 0.95 * bound < np.abs(noise).max() <= bound
    assert not Noise().of(np.arange(3, dtype=np.int32), 4, neighbour=0).any()


def test_a_negative_seed_is_a_seed_as_everywhere_else():
    tokens = np.arange(6, dtype=np.int32)
    noise = Noise(seed=-1).of(tokens, 8, neighbour=1)
    assert np.isfinite(noise).all() and (noise != Noise(seed=1).of(tokens, 8, neighbour=1)).any()


def row_losses(row, neighbour, given, alone):
    """The two passes of a row or a neighbour of it, by the losses of its tokens."""
    for by_itself, each in ((False, given), (True, alone)):
        mean = float(np.mean(each))
        kept = np.array(each, np.float32)
        one = Pass(row, by_itself, mean if math.isfinite(mean) else None, kept, neighbour)
        yield one.key, one


@pytest.mark.parametrize("bad", [math.nan, 3000.0])
def test_a_neighbour_without_a_ratio_makes_the_row_null_with_a_reason(tmp_path, bad):
    """3,000 nats on one of six tokens: the mean over all has an exponent, that over the
    selected tokens has none.
    """
    tokenized = Tokenized(
        np.array([5, 6]), np.array([0, 7, 14]), np.zeros(2, int), np.zeros(2, int),
        np.arange(14), np.array([False, *[True] * 6] * 2),
    )  # fmt: skip
    done = {}
    for row, neighbour in itertools.product((5, 6), (0, 1, 2)):
        last = bad if (row, neighbour) == (5, 2) else 2.0
        done |= dict(row_losses(row, neighbour, [1.0] * 5 + [last], [1.0] * 6))
    scorer, files = TShirt(LanguageModel(), neighbours=2), PartFiles.of(tmp_path, [2], 64)
    files.missing()
    table, _ = delta_table(scorer.copies, Losses(tokenized, done, True))
    facts = dict.fromkeys(("tokens", "padded", "cut rows", "cut tokens"), 0) | {"shared_prefix": None}
    files.write(files.parts[0], with_facts(table, facts))
    scorer.finish(files, tmp_path)
    with pa.memory_map(str(tmp_path / SCORES)) as source:
        lost, kept = pa.ipc.open_file(source).read_all().to_pylist()
    assert lost["t-shirt"] is None and lost["t-shirt_spread"] is None and "neighbour" in lost["reason"]
    assert kept["t-shirt"] == pytest.approx(math.exp(1)) and kept["reason"] is None


def authors(stats, k):
    top: list[tuple[float, int]] = []
    for index, (sifd, _, ifd) in enumerate(stats):
        if ifd >= 1:
            continue
        if len(top) < 2 * k:
            heapq.heappush(top, (sifd, index))
        elif sifd > top[0][0]:
            heapq.heapreplace(top, (sifd, index))
    return sorted(index for _, index in heapq.nsmallest(k, top, key=lambda one: stats[one[1]][1]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_choice_is_that_of_the_authors(seed, size):
    stats = np.random.default_rng(seed).uniform(0.5, 1.2, (40, 3)).tolist()  # no ties
    table = pa.table(
        {
            "row": pa.array(range(40), pa.int64()),
            "id": pa.array([f"{row:032x}" for row in range(40)], pa.large_string()),
            **{name: [line[i] for line in stats] for i, name in enumerate(Steady.columns)},
        }
    )
    assert Steady().select(Scores.of(table), size).tolist() == authors(stats, size)
    assert Steady().select(Scores(lambda columns: iter(()), 0), size).tolist() == []
