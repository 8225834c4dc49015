"""Benchmarks in an experiment: mistakes before any work, a plan, stages by arm, the table in the report."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from made_benchmarks import write_benchmarks

from handpicked.errors import ConfigError
from handpicked.experiment.benched import Benched, questions
from handpicked.experiment.checks import mistakes
from handpicked.experiment.file import load
from handpicked.experiment.planning.dry_run import plan
from handpicked.experiment.planning.dry_run_text import text_of
from handpicked.experiment.run import run
from handpicked.scorers.text import root_verb

pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("lm_eval", reason="needs the bench extra")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, tiny_model):
    folder = tmp_path_factory.mktemp("experiment")
    rows = [{"prompt": f"Say {i}.", "response": "stone " * (3 + i % 5)} for i in range(20)]
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    written = {
        "name": "benched",
        "pool": {"path": str(folder / "pool.jsonl"), "hold_out": 2},
        "model": {"name": str(tiny_model)},
        "train": {"epochs": 1, "batch_size": 4, "max_length": 200, "learning_rate": 1e-2, "merge": False},
        "arms": {"base": {"by": "none"}, "all": {"by": "full"}, "longest": {"by": "longest", "size": 4}},
        "candidate": "longest",
        "evaluate": {
            "generate": {"max_new_tokens": 4},
            "judges": [],
            "benchmarks": ["winogrande", "truthfulqa-mc2"],
            "bench": {"data": str(write_benchmarks(folder / "data")), "limit": 5},
        },
    }
    path = folder / "benched.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


def test_mistakes_are_found_before_any_work(experiment):
    with pytest.raises(
        ConfigError, match=r"benchmarks.*There is no benchmark 'winogrand'. Did you mean 'winogrande'"
    ):
        load(experiment, ["evaluate.benchmarks=[winogrand]"], also=mistakes)
    with pytest.raises(ConfigError, match="There is no folder 'nowhere'"):
        load(experiment, ["evaluate.bench.data=nowhere"], also=mistakes)


def test_a_plan_lists_requests_and_time(experiment):
    planned = plan(experiment)
    found = planned.evaluation["benchmarks"]
    assert [(one["benchmark"], one["requests"]) for one in found] == [
        ("winogrande", 30),
        ("truthfulqa-mc2", 105),
    ]
    assert "bench   winogrande: 30 requests on all arms, " in text_of(planned)


def test_the_table_is_in_the_report(experiment, tmp_path):
    first = run(load(experiment), tmp_path / "run", until="bench", only=["base"])
    assert [(one.arm, one.benchmark) for one in first.benched] == [
        ("base", "winogrande"),
        ("base", "truthfulqa-mc2"),
    ]
    stamp = tmp_path / "run" / "bench" / "base" / "winogrande" / "stage.json"
    before = stamp.stat().st_mtime_ns

    finished = run(load(experiment), tmp_path / "run")
    assert stamp.stat().st_mtime_ns == before
    table = {row.benchmark: row for row in finished.results.benchmarks}
    cells = {cell.arm: cell for cell in table["winogrande"].arms}
    assert list(cells) == ["base", "all", "longest"]
    assert cells["base"].to_base is None and cells["all"].to_full is None
    assert cells["longest"].to_base.n == cells["longest"].to_full.n == 5
    values = {arm: cell.score.value for arm, cell in cells.items()}
    assert cells["longest"].to_base.value == pytest.approx(values["longest"] - values["base"])
    assert any(stage.name == "bench winogrande" for stage in finished.results.stages)
    assert "Does it know more" in finished.report.read_text()
    short = (tmp_path / "run" / "report.md").read_text()
    assert "| winogrande | longest |" in short
    if root_verb.missing() is None:
        found = finished.results.instructions.on_benchmarks
        rows = {row.type: row for row in found.rows}
        assert rows["without text"].benchmarks == {"winogrande": 5}
        assert sum(row.benchmarks.get("truthfulqa-mc2", 0) for row in rows.values()) == 5
        assert found.overall.to_base.n == found.overall.to_full.n == 10
        assert "Benchmark change by instruction type" in short


def test_samples_of_an_earlier_version_have_no_text():
    sample = {"task": "mmlu", "doc": 0, "doc_hash": "h", "values": {"acc,none": 1.0}}
    new = {**sample, "question": "Which is it?"}
    assert questions([Benched("a", "mmlu", {}, [sample])]) == {"mmlu": {}}
    assert questions([Benched("a", "mmlu", {}, [sample]), Benched("b", "mmlu", {}, [new])]) == {
        "mmlu": {"mmlu 0 h": "Which is it?"}
    }
