"""Where an experiment file is, and where its relative paths begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handpicked.errors import ConfigError
from handpicked.experiment.file import load
from handpicked.experiment.places import experiment_file, shipped_experiments

FILE = """\
name: mine
pool: {path: pool.jsonl, hold_out: 5}
pools: {more: {path: [pool.jsonl, "part-*.jsonl"]}, hub: {path: "hf://some/pool"}}
model: {name: model}
arms:
  base: {by: none}
  mine: {by: {"mine.py:Verbose": {least: 1}}, size: 10, score: {target: target.jsonl}}
  other: {by: "mine.py:Verbose", size: 10, prompts: [asked.jsonl]}
  longest: {by: longest, size: 10}
evaluate:
  prompts: [{name: asked, path: asked.jsonl, references: {path: target.jsonl}}]
  judges: [{name: judge}, {name: scores, model: m}]
"""
THERE = ("pool.jsonl", "part-1.jsonl", "mine.py", "target.jsonl", "asked.jsonl")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "experiments"
    folder.mkdir()
    for name in THERE:
        (folder / name).write_text("")
    for name in ("model", "judge", "scores", "longest"):
        (folder / name).mkdir()
    (folder / "e.yaml").write_text(FILE)
    return folder


def test_paths_begin_at_the_folder_of_the_file(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load(Path("experiments/e.yaml"))
    assert found.pool.path == "experiments/pool.jsonl"
    assert found.pools["more"].path == ("experiments/pool.jsonl", "experiments/part-*.jsonl")
    assert found.pools["hub"].path == "hf://some/pool"
    assert found.model.name == "experiments/model"
    assert found.arms["mine"].by == found.arms["other"].by == "experiments/mine.py:Verbose"
    assert found.arms["mine"].options == {"least": 1}
    assert found.arms["mine"].score.of_scorers == {"target": "experiments/target.jsonl"}
    assert found.arms["other"].prompts == ("experiments/asked.jsonl",)
    asked = found.evaluate.prompts[0]
    assert (asked.path, asked.references.path) == ("experiments/asked.jsonl", "experiments/target.jsonl")
    judges = [judge.name for judge in found.evaluate.judges]
    assert judges == ["experiments/judge", "scores"], "the name of a shipped judge is no folder"


def test_from_its_own_folder_the_file_reads_as_written(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load(Path("e.yaml")).pool.path == "pool.jsonl"


def test_what_is_not_beside_the_file_begins_at_the_current_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "pool.jsonl").unlink()
    assert load(Path("experiments/e.yaml")).pool.path == "pool.jsonl"


def test_overrides_begin_at_the_current_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(Path("experiments/e.yaml"), ["pool=target.jsonl"]).pool.path == "target.jsonl"


def test_a_pattern_or_a_name_that_no_file_can_have_is_left_alone(tmp_path):
    for path in ("**bad", "x" * 5000, "a\0b"):
        (tmp_path / "e.yaml").write_text(
            f"name: a\npool: {{path: {json.dumps(path)}, hold_out: 1}}\narms: {{b: {{by: none}}}}\n"
        )
        assert load(tmp_path / "e.yaml").pool.path == path


@pytest.mark.parametrize("name", shipped_experiments())
def test_a_shipped_experiment_is_found_by_name_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(Path(name)).name == name


def test_a_file_of_that_name_goes_first_and_a_folder_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quickstart").mkdir()
    assert experiment_file(Path("quickstart")).name == "quickstart.yaml"
    Path("sizes").write_text("")
    assert experiment_file(Path("sizes")) == Path("sizes")


def test_a_wrong_name_lists_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"no experiment file quickstrat.*alpaca-small, compare.*'quickstart'\?"
    ):
        load(Path("quickstrat"))
    Path("mine").mkdir()
    with pytest.raises(ConfigError, match="mine is a folder"):
        load(Path("mine"))
    with pytest.raises(ConfigError, match=r"There is no experiment file sub/quickstart\."):
        load(Path("sub/quickstart"))
