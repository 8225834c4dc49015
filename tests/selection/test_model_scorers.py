"""Rewards, ratings and target sets from the command line, the experiment file and Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import handpicked as hp
from handpicked.catalogue import SCORERS
from handpicked.cli import app
from handpicked.config import Experiment, ScoreSettings, SelectSettings, TrainSettings
from handpicked.errors import ConfigError
from handpicked.experiment.checks import mistakes
from handpicked.method import settings_of
from handpicked.scorers.lm.target import TargetSet
from handpicked.selection import pick
from handpicked.selection.methods import scorers_for

torch = pytest.importorskip("torch", reason="needs the train extra")

ROWS = [
    ("why do dogs run?", "the cat"),
    ("the rain", "it sat twice"),
    ("a mat", "a cat on a mat"),
    ("x", "yes"),
]
TARGET = [("why do cats run?", "the dog", "pets"), ("the snow", "it sat", "weather")]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path):
    """A pool and a target, as files."""
    lines = [{"instruction": ask, "input": "", "output": answer} for ask, answer in ROWS]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    lines = [
        {"instruction": ask, "input": "", "output": answer, "category": kind} for ask, answer, kind in TARGET
    ]
    (tmp_path / "target.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "pool.jsonl", tmp_path / "target.jsonl"


@pytest.fixture(scope="module")
def arm(tiny_model: Path, tmp_path_factory) -> Path:
    """A training that kept its states."""
    from handpicked.config import ModelSettings
    from handpicked.data import read
    from handpicked.train import train

    folder = tmp_path_factory.mktemp("less")
    (folder / "warmup.jsonl").write_text(
        "".join(json.dumps({"instruction": a, "input": "", "output": b}) + "\n" for a, b in ROWS)
    )
    settings = TrainSettings(
        epochs=1, batch_size=2, learning_rate=1e-2, lora_rank=2, keep_optimizer=True, merge=False
    )
    examples = list(read(folder / "warmup.jsonl").examples())
    train(examples, ModelSettings(name=str(tiny_model)), settings, folder / "arm", arm="warmup")
    return folder / "arm"


@pytest.fixture(scope="module")
def reward_model(tiny_model: Path, tmp_path_factory) -> Path:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder = tmp_path_factory.mktemp("reward") / "model"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("model*", "config.json"))
    config = LlamaConfig.from_pretrained(tiny_model)
    config.num_labels = 1
    LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_every_one_from_the_command_line(files, tiny_model, reward_model, arm, tmp_path):
    pool, target = files
    asked = {
        "reward": ["--model", reward_model],
        "deita-score": ["--model", tiny_model, "--set", "score.max_length=500"],
        "rds": ["--model", tiny_model, "--target", target],
        "less": ["--target", target, "--set", f"score.checkpoint={arm}", "--set", "score.projection=64"],
    }
    for name, options in asked.items():
        out = tmp_path / name
        words = ["score", pool, "--scorer", name, *options, "-o", out]
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert f"{name}: " in done.output and "tokens in 4 rows" in done.output, (
            "it says beforehand what it takes"
        )
        table = pq.read_table(out / "scores.parquet").to_pydict()
        assert None not in table[name] and table[f"{name}_reason"] == [None] * 4
        about = json.loads((out / "manifest.json").read_text())["scores"][0]["about"]
        assert "sha256:" in about["made of"] and "snow" not in json.dumps(about)
        words = ["select", pool, "--by", name, *options, "--size", 2, "-o", tmp_path / f"{name}-2"]
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "tokens in" not in done.output, "what was scored is not scored again"
        kept = [json.loads(line)["output"] for line in (tmp_path / f"{name}-2" / "selected.jsonl").open()]
        order = f"{name}_rank" if name == "rds" else name
        best = sorted((row for row in range(4)), key=lambda row: table[order][row])
        best = best[:2] if name == "rds" else best[-2:]
        assert kept == [ROWS[row][1] for row in sorted(best)]


def test_from_python(files, tiny_model, tmp_path):
    pool, target = files
    chosen = hp.select(
        hp.read(pool), hp.Bottom("rds_rank"), size=1, score={"model": str(tiny_model), "target": str(target)}
    )
    settings = SelectSettings(
        by="rds", size=1, score=ScoreSettings(model=str(tiny_model), target=str(target))
    )
    pick(hp.read(pool), settings, tmp_path / "one")
    assert (tmp_path / "one" / "selected.jsonl").read_text().count("\n") == len(chosen.rows) == 1


def experiment(pool: Path, score: dict) -> Experiment:
    return Experiment.model_validate({
        "name": "e", "pool": {"path": str(pool)},
        "arms": {"a": {"by": score.pop("by"), "size": 2, "score": score}},
    })  # fmt: skip


def test_an_experiment_file_is_checked_before_it_runs(files, tiny_model, arm):
    pool, target = files
    for score, wrong in (
        ({"by": "rds", "target": str(target), "model": str(tiny_model)}, None),
        ({"by": "less", "target": str(target), "checkpoint": str(arm)}, None),
        ({"by": "rds", "model": str(tiny_model)}, "give a file of examples"),
        ({"by": "less", "target": str(target)}, "keep_optimizer"),
        ({"by": "less", "target": str(target), "checkpoint": str(pool.parent)}, "holds no optimizer"),
        ({"by": "reward"}, "needs a model that was trained for it"),
        ({"by": "reward", "model": str(tiny_model)}, "not a reward model"),
        ({"by": "deita-score", "model": "/no/such/model"}, "no model folder"),
        ({"by": "reward", "model": str(tiny_model), "target": str(target)}, "has no such setting"),
    ):
        found = " ".join(
            sentence for place, sentence in mistakes(experiment(pool, score)) if place[0] == "arms"
        )
        assert wrong in found if wrong else not found, found


def test_a_target_may_be_examples_or_prompts(files, tmp_path):
    _, target = files
    read = TargetSet.read(str(target))
    assert [(one.text, one.reference, one.category) for one in read] == TARGET and read.whole
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"text": "why?", "category": "c"}) + "\n")
    alone = TargetSet.read(str(tmp_path / "prompts.jsonl"))
    assert [(one.text, one.reference) for one in alone] == [("why?", None)] and not alone.whole
    (tmp_path / "torn.jsonl").write_text(target.read_text() + "{\n")
    with pytest.raises(ConfigError, match="line 3"):
        TargetSet.read(str(tmp_path / "torn.jsonl"))


def test_scorers_are_what_their_contract_says(files, tiny_model, arm):
    from handpicked.scorers.pool_scorer import PoolScorer

    settings = ScoreSettings(model=str(tiny_model), target=str(files[1]), checkpoint=str(arm))
    for name in (
        "reward",
        "deita-score",
        "deita-complexity",
        "deita-quality",
        "rds",
        "target-similarity",
        "less",
    ):
        takes = {one.name for one in settings_of(SCORERS.shipped[name])}
        given = {key: value for key, value in settings.of_scorers.items() if key in takes}
        (scorer,) = scorers_for([name], ScoreSettings(**given))
        assert isinstance(scorer, PoolScorer)
        assert scorer.values[0] == scorer.name == name
        assert all(value == name or value.startswith(f"{name}_") for value in scorer.values)
