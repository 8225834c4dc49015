"""An experiment from Python: its file is checked before any work begins."""

from __future__ import annotations

import json

import pytest

import handpicked as hp

EXPERIMENT = """
name: mine
pool: {path: pool.json}
evaluate: {prompts: [], judges: []}
arms:
  longest: {by: longest, size: 3, measure: words}
  random: {by: random, size: 3}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"instruction": f"Say {n}", "output": "word " * (n + 1)} for n in range(9)]
    (tmp_path / "pool.json").write_text(json.dumps(rows))
    (tmp_path / "mine.yaml").write_text(EXPERIMENT)
    return tmp_path / "mine.yaml"


def test_a_file_runs_as_far_as_it_is_asked_in_a_folder_of_its_name(file, tmp_path):
    pytest.importorskip("trl")
    outcome = hp.run(file, until="select")
    assert str(outcome.folder) == "runs/mine" and outcome.results is None and outcome.answer == ""
    assert (tmp_path / "runs/mine/subset/longest").is_dir()
    again = hp.run(hp.load(str(file), ["arms.longest.size=2"]), tmp_path / "other", until="select")
    kept = next((tmp_path / "other" / "subset" / "longest").rglob("selected.jsonl"))
    assert again.folder == tmp_path / "other" and len(kept.read_text().splitlines()) == 2


def test_every_mistake_is_reported_before_any_work(file, tmp_path):
    file.write_text(EXPERIMENT.replace("by: longest", "by: longst").replace("by: random", "by: radnom"))
    with pytest.raises(hp.ConfigError) as caught:
        hp.run(file)
    assert len(caught.value.mistakes) == 2 and "Did you mean 'longest'" in str(caught.value)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(hp.ConfigError, match="There is no experiment file"):
        hp.run("nothing.yaml")
