"""Every scorer and every selector by meaning from the command line, and one of each family
as arms of an experiment.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from handpicked.catalogue import SCORERS, SELECTORS
from handpicked.cli import app
from handpicked.experiment.checks import mistakes
from handpicked.experiment.file import load
from handpicked.experiment.run import run
from handpicked.scorers.pool_scorer import PoolScorer

pytest.importorskip("torch", reason="needs the lm extra")

ROWS = 10
EMBEDS = ("target-similarity", "embedding")
ELSEWHERE = ("llm-rating", "less")
"""From the command line in test_pick_by_rating.py (an endpoint) and test_model_scorers.py (a
training that kept its states).
"""
MEANING = [name for name, selector in SELECTORS.shipped.items() if selector.compares_meaning]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDPICKED_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("pool") / "pool.jsonl"
    rows = [{"instruction": "ask" * (n + 1), "output": "yes" * (1 + n % 5)} for n in range(ROWS)]
    file.write_text("".join(json.dumps({"input": "", **row}) + "\n" for row in rows))
    return file


@pytest.fixture(scope="module")
def settings(tiny_model: Path, pool: Path, tmp_path_factory) -> dict[str, dict[str, object]]:
    """The score settings that each scorer needs here, by its name."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    rewards = tmp_path_factory.mktemp("reward") / "model"
    shutil.copytree(tiny_model, rewards, ignore=shutil.ignore_patterns("model*", "config.json"))
    LlamaForSequenceClassification(LlamaConfig.from_pretrained(tiny_model, num_labels=1)).save_pretrained(
        rewards
    )
    model = {"model": str(tiny_model)}
    deita = {**model, "max_length": 500}
    return {
        "perplexity": model,
        "ifd": model,
        "superfiltering": model,
        "t-shirt": {**model, "neighbours": 2},
        "reward": {"model": str(rewards)},
        "deita-complexity": deita,
        "deita-quality": deita,
        "deita-score": deita,
        "rds": {**model, "target": str(pool)},
        "target-similarity": {"target": str(pool)},
        "embedding": {},
    }


def handpicked(*words: object) -> None:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.models] if name in EMBEDS else [])
        for name, scorer in SCORERS.shipped.items()
        if issubclass(scorer, PoolScorer) and name not in ELSEWHERE
    ],
)
def test_every_scorer_scores_and_selects(pool, settings, tmp_path, name):
    chosen = [word for key, value in settings[name].items() for word in ("--set", f"score.{key}={value}")]
    handpicked("score", pool, "--scorer", name, *chosen, "-o", tmp_path / "scores")
    table = pq.read_table(tmp_path / "scores" / "scores.parquet").to_pydict()
    assert len(table[name]) == ROWS and None not in table[name]
    by = ["top", "--field", name] if name in ("perplexity", "embedding") else [name]
    handpicked("select", pool, "--by", *by, *chosen, "--size", 1, "-o", tmp_path / "one")
    assert (tmp_path / "one" / "selected.jsonl").read_text().count("\n") == 1


@pytest.mark.models
@pytest.mark.parametrize("by", MEANING)
def test_every_selector_by_meaning_selects(pool, tmp_path, by):
    pytest.importorskip("faiss", reason="needs the embed extra")
    field = ["--field", "tokens"] if by in ("deita", "qdit", "car") else []
    handpicked("select", pool, "--by", by, *field, "--size", 3, "-o", tmp_path / "three")
    assert (tmp_path / "three" / "selected.jsonl").read_text().count("\n") == 3


@pytest.mark.models
def test_one_of_each_family_is_an_arm_of_an_experiment(pool, settings, tiny_model, tmp_path):
    pytest.importorskip("faiss", reason="needs the embed extra")
    arms = {by: {"by": by, "score": settings[by]} for by in ("ifd", "reward", "deita-score", "rds")}
    arms |= {
        "easy": {"by": "bottom", "field": "perplexity", "score": settings["perplexity"]},
        "kmeans": {"by": "kmeans"},
        "qdit": {"by": "qdit", "field": "ifd", "score": settings["ifd"]},
    }
    text = {"name": "families", "pool": {"path": str(pool), "hold_out": 1}}
    text["model"] = {"name": str(tiny_model)}
    text["arms"] = {name: {**arm, "size": 1} for name, arm in arms.items()}
    (tmp_path / "e.yaml").write_text(json.dumps(text))  # JSON is YAML
    run(load(tmp_path / "e.yaml", also=mistakes), tmp_path / "run", until="select")
    for name in arms:
        kept = (tmp_path / "run" / "subset" / name / "selected.jsonl").read_text()
        assert kept.count("\n") == 1, name
