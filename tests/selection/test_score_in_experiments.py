"""Scores by models as arms of an experiment: mistakes are found before any work, the
scores lie in the run's folder.
"""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from handpicked.endpoint import Retry
from handpicked.errors import ConfigError
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.file import load
from handpicked.experiment.run import run
from local_endpoint import Act, local_endpoint


def experiment(tmp_path, arms, **options):
    rows = [{"prompt": f"ask {n}", "response": f"answer {n} " * (1 + n % 5)} for n in range(12)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "e.yaml").write_text(
        f"name: small\npool: {{path: {tmp_path / 'pool.jsonl'}, hold_out: 2}}\narms:\n"
        + "".join(f"  {name}: {settings}\n" for name, settings in arms.items())
    )
    return load(tmp_path / "e.yaml", **options)


@pytest.mark.parametrize(
    ("arm", "mistake"),
    [
        (
            "{by: ifd, size: 2, score: {target: x.jsonl}}",
            r"line 4: .*score\.target: 'ifd' has no such setting",
        ),
        ("{by: ifd, size: 2, score: {model: ./nowhere}}", r"line 4: .*no model folder './nowhere'"),
        (
            "{by: ifd, size: 2, score: {modell: x}}",
            r"line 4: .*score\.modell: 'ifd' has no such setting.* Did you mean 'model'",
        ),
        ("{by: perplexity, size: 2}", r"'top' .* or 'bottom'"),
        (
            "{by: ifd, size: 2, score: {prefilter: 'longesd:5'}}",
            r"not a cheap selector.* Did you mean 'longest'",
        ),
        ("{by: ifdd, size: 2}", r"no method 'ifdd'. Did you mean 'ifd'"),
        ("{by: longest, size: 2, score: {model: x}}", r"score\.model: nothing here is scored by a model"),
    ],
)
def test_mistakes_are_found_before_any_work(tmp_path, arm, mistake):
    with pytest.raises(ConfigError, match=mistake):
        experiment(tmp_path, {"a": arm}, also=mistakes)


def test_what_this_machine_lacks_is_no_mistake_of_the_file(tmp_path):
    found = experiment(
        tmp_path, {"a": "{by: ifd, size: 2, score: {model: someone/never-downloaded}}"}, also=mistakes
    )
    assert any("someone/never-downloaded" in part and "arm 'a'" in part for part in missing_parts(found))


def test_arms_share_scores_that_lie_in_the_run(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    score = f"score: {{model: {tiny_model}}}"
    arms = {
        "ifd": f"{{by: ifd, size: 1, {score}}}",
        "hard": f"{{by: top, field: ifd_perplexity, size: 3, {score}}}",
        "random": "{by: random, size: 3}",
    }
    said: list[str] = []
    made = experiment(tmp_path, arms, also=mistakes)
    run(made, tmp_path / "run", until="select", say=said.append)
    assert [line.split(":")[0] for line in said] == ["ifd"]  # both arms, one scoring
    assert len(list((tmp_path / "run" / "scores").iterdir())) == 1
    assert not (tmp_path / "cache" / "scores").exists()
    kept = pq.read_table(tmp_path / "run" / "subset" / "ifd" / "scores.parquet").to_pylist()
    best = sorted((line["ifd"] for line in kept if line["ifd"] <= 1), reverse=True)[:1]
    assert sorted((line["ifd"] for line in kept if line["kept"]), reverse=True) == best

    run(made, tmp_path / "run", until="select", say=said.append)
    assert len(said) == 1  # nothing ran again
    again = experiment(tmp_path, {**arms, "ifd": f"{{by: ifd, size: 1, {score[:-1]}, max_length: 200}}}}"})
    run(again, tmp_path / "run", until="select", say=said.append)
    assert any("subset/ifd: runs again because" in line and "max_length" in line for line in said)
    assert not any("subset/hard: runs again" in line for line in said)


def test_a_lost_row_is_asked_again_once_a_run_and_the_subsets_follow(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Retry, "pause", lambda *_: 0.01)
    broken, said = [True], []

    def act(body, _):
        best = "ask 5" in body["messages"][-1]["content"]
        return Act(status=500) if best and broken else Act("5" if best else "2")

    def subsets():
        before = len(server.bodies)
        said.clear()
        run(made, tmp_path / "run", until="select", say=said.append)
        kept = [(tmp_path / "run" / "subset" / arm / "selected.jsonl").read_text() for arm in arms]
        return ["ask 5" in text for text in kept], len(server.bodies) - before

    with local_endpoint(act) as server:
        score = f"score: {{model: m, base_url: {server.url}}}"
        arms = {name: f"{{by: llm-rating, size: {size}, {score}}}" for name, size in (("one", 1), ("two", 2))}
        made = experiment(tmp_path, arms)
        assert subsets() == ([False, False], 10 + 5)  # the row is tried six times, not again for every arm
        assert subsets() == ([False, False], 6)
        assert not any("runs again" in line for line in said)
        broken.clear()
        assert subsets() == ([True, True], 1)
        assert any(
            "subset/one: runs again because its input scores llm-rating changed" in line for line in said
        )
        assert subsets() == ([True, True], 0)
        assert said == []


@pytest.mark.parametrize("field", ["reward", "rds"])
def test_a_field_of_the_pool_goes_before_a_scorer_of_that_name(tmp_path, field):
    arm = f"{{by: top, field: {field}, size: 1}}"
    with pytest.raises(ConfigError, match=rf"score\.(model|target): '{field}'"):
        experiment(tmp_path, {"a": arm}, also=mistakes)
    rows = [{"prompt": f"ask {n}", "response": "answer " * (n + 1), field: -n} for n in range(12)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(load(tmp_path / "e.yaml", also=mistakes), tmp_path / "run", until="select")
    kept = pq.read_table(tmp_path / "run" / "subset" / "a" / "scores.parquet").to_pylist()
    assert [line[field] for line in kept if line["kept"]] == [max(line[field] for line in kept)]


def test_too_few_rows_are_reported_before_any_is_scored(tmp_path, tiny_model):
    arm = f"{{by: ifd, fraction: 0.5, score: {{sample: 2, model: {tiny_model}}}}}"
    said: list[str] = []
    with pytest.raises(ConfigError, match=r"5 rows are requested, but score\.sample leaves 2"):
        run(experiment(tmp_path, {"a": arm}), tmp_path / "run", until="select", say=said.append)
    assert said == []
