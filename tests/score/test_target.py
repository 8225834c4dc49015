"""RDS+ and similarity to a target set: weights by hand, one row at a time, whatever the batch, the order or a kill."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from made_examples import MadePool, example, made_pool, scores, stopped

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.score.pool_scorer import FACTS, SCORES
from handpicked.score.rds import Rds, weighted_means
from handpicked.score.target import TargetSet
from handpicked.score.target_similarity import TargetSimilarity
from memory_pool import MemoryPool

torch = pytest.importorskip("torch", reason="needs the lm extra")

POOL = made_pool(14, seed=5)


def target(*pairs: tuple[str, str | None]) -> TargetSet:
    prompts = (
        Prompt(f"t{i}", (Message("user", text),), "target", reference=reference)
        for i, (text, reference) in enumerate(pairs)
    )
    return TargetSet("target.jsonl", tuple(prompts))


TARGET = target(("why do dogs run?", "because of the cat"), ("the rain", "it sat on a mat, twice"))


@pytest.fixture
def rds(tiny_model: Path) -> Rds:
    return Rds(TARGET, ModelSettings(name=str(tiny_model), dtype="float32"))


def run(scorer, work: Path, pool=POOL, rows=None):
    work.mkdir(exist_ok=True, parents=True)
    scorer.score(pool, rows, work, SILENT)
    return scores(work, *scorer.values)


def by_hand(model: ModelSettings, conversations: list[list[Message]]) -> np.ndarray:
    """The mean of hidden states, position i weighing i, of each conversation by itself in plain transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.name)
    causal = AutoModelForCausalLM.from_pretrained(model.name, dtype=torch.float32).eval()
    vectors = []
    for messages in conversations:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        # up to and with the end-of-text after the response; the tiny template adds a line break
        ids = tokenizer.apply_chat_template(turns, return_dict=False)[:-1]
        with torch.no_grad():
            hidden = causal(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0].double()
        weights = [i / sum(range(1, len(ids) + 1)) for i in range(1, len(ids) + 1)]
        vectors.append(sum(w * h.numpy() for w, h in zip(weights, hidden, strict=True)))
    found = np.array(vectors)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("batch_tokens", [1, 400, 100_000])
def test_rds_is_the_largest_cosine_of_weighted_means(rds, tmp_path, batch_tokens):
    values, ranks, cut, reasons = run(replace(rds, batch_tokens=batch_tokens), tmp_path)
    rows = by_hand(rds.model, [list(one.messages) for one in POOL.found])
    targets = by_hand(
        rds.model, [[*prompt.messages, Message("assistant", prompt.reference)] for prompt in TARGET]
    )
    cosines = rows @ targets.T
    assert values == pytest.approx(cosines.max(axis=1), abs=1e-4)
    assert sorted(ranks) == list(range(1, 15)) and set(cut) == {0.0} and set(reasons) == {None}
    assert ranks.index(1) == int(cosines[:, 0].argmax()), "the first target chooses first"


def test_the_weights_are_positions(tiny_model):
    """With hidden states that are known: of row lengths 1 and 3, in one batch."""

    class Known:
        device = "cpu"

        class base_model:  # noqa: N801
            def __new__(cls, input_ids, use_cache):
                states = torch.tensor([[[1.0], [10.0], [100.0]], [[7.0], [float("nan")], [float("nan")]]])
                return type("Out", (), {"last_hidden_state": states})

    assert weighted_means(Known, [[5, 5, 5], [5]]).tolist() == [[pytest.approx((1 + 20 + 300) / 6)], [7.0]]


def test_neither_order_nor_sample_nor_kill_changes_rds(rds, tmp_path):
    scorer = replace(rds, batch_tokens=300)
    whole = run(scorer, tmp_path / "a")
    moved = POOL.shuffled()
    again = run(scorer, tmp_path / "b", moved)
    for column, other in zip(whole[:2], again[:2], strict=True):
        by_id = dict(zip((one.id for one in POOL.found), column, strict=True))
        assert other == [by_id[one.id] for one in moved.found]
    some, *_ = run(scorer, tmp_path / "c", rows=[1, 4, 9])
    assert some == pytest.approx([whole[0][row] for row in (1, 4, 9)], abs=1e-4)
    stopped(scorer, POOL, tmp_path / "torn", after=3)
    assert run(scorer, tmp_path / "torn") == whole
    assert {file.name for file in (tmp_path / "torn").iterdir()} == {FACTS, SCORES}


def test_empty_and_long_rows(rds, tmp_path):
    pool = MadePool((example(0, "hi", "there"), example(1, "hi", " "), example(2, "hi", "x" * 700)))
    values, ranks, cut, reasons = run(rds, tmp_path, pool)
    assert values[1] is None and ranks[1] is None and reasons == [None, "the response is empty", None]
    assert sorted((ranks[0], ranks[2])) == [1, 2] and cut[0] == 0 and cut[2] > 700 - 512


def test_a_target_of_prompts_alone_is_compared_with_prompts(rds, tmp_path):
    """The row with the very prompt is the most similar one, whatever its response."""
    alone = replace(rds, target=target(("seven dogs", None)))
    pool = MadePool((example(0, "on a mat and a cat", "rain"), example(1, "seven dogs", "thought of it")))
    values, ranks, *_ = run(alone, tmp_path, pool)
    assert values[1] == pytest.approx(1, abs=1e-5) and values[0] < 1 - 1e-4 and ranks == [2, 1]


def test_the_target_is_part_of_the_identity_but_its_text_of_no_manifest(rds):
    other = replace(rds, target=target(("why do dogs run?", "because of the rain")))
    assert rds.identity() != other.identity()
    assert asdict(rds)["target"] == {"path": "target.jsonl", "sha256": TARGET.sha256}
    with pytest.raises(ConfigError, match="no example"):
        TargetSet("empty.jsonl", ())


def test_the_estimate_reads_no_weights(rds, monkeypatch):
    monkeypatch.setattr("handpicked.score.rds.load_model", lambda _: pytest.fail("weights were read"))
    assert "14 rows" in rds.estimate(POOL, None)


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no model folder"):
        Rds(TARGET, ModelSettings(name=str(tmp_path / "nowhere"))).score(POOL, None, tmp_path, SILENT)
    with pytest.raises(ConfigError, match="no model folder"):
        TargetSimilarity(TARGET, str(tmp_path / "nowhere")).identity()


@pytest.mark.models
def test_target_similarity_is_the_embedders_cosine(tmp_path):
    scorer = TargetSimilarity(
        target(("How do plants grow?", "With light."), ("What is a loan?", "Money lent."))
    )
    try:
        scorer.identity()
    except MissingPart as missing:
        pytest.skip(str(missing))
    from handpicked.models.embed import embed

    asked = (
        ("Name a bank.", "Banks lend money to people."),
        ("Why is grass green?", "Chlorophyll."),
        ("Hm?", ""),
    )
    asked += (("Say a", "a " * 400), ("What is interest?", "The price of a loan."))
    pool = MemoryPool([{"prompt": prompt, "response": response} for prompt, response in asked])
    values, ranks, cut, reasons = run(scorer, tmp_path, pool)
    rows = [0, 1, 3, 4]
    texts = [f"{asked[row][0]}\n\n{asked[row][1]}".strip() for row in rows]
    one_by_one = np.concatenate([embed([text]) for text in texts])
    targets = embed(["How do plants grow?\n\nWith light.", "What is a loan?\n\nMoney lent."])
    assert [values[row] for row in rows] == pytest.approx((one_by_one @ targets.T).max(axis=1), abs=1e-4)
    assert reasons[2] == "the response is empty" and (values[2], ranks[2], cut[2]) == (None, None, None)
    assert (ranks[1], ranks[4]) == (1, 2), "the plant target chooses first, then the loan target"
    assert cut[3] > 100 and cut[0] == 0
    assert "5 texts" in scorer.estimate(pool, None) and "2 targets" in scorer.estimate(pool, None)
    assert {file.name for file in tmp_path.iterdir()} == {FACTS, SCORES}
