"""The estimates of a dry run against what recorded runs took."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pytest

import handpicked as hp
from handpicked import experiment
from handpicked.experiment.planning import speeds
from handpicked.experiment.planning.dry_run import plan
from handpicked.experiment.planning.dry_run_text import text_of
from handpicked.experiment.planning.speeds import CpuSpeed
from handpicked.scorers.model.embedding import Embedding

pytest.importorskip("transformers", reason="needs the train extra")

RECORDED = sorted(Path(__file__).with_name("recorded_runs").glob("*.json"))
SHIPPED = Path(experiment.__file__).with_name("shipped")
FACTOR = 1.5
SHORT = 5.0
"""Seconds below which a stage is not compared: starting it takes as long."""
PARTS = {
    "scoring": "score",
    "training": "train",
    "reference loss": "reference loss",
    "answers": "generate",
    "judge reference-similarity": "judge",
}
"""Parts of the plan, and the stages of a run that they estimate."""


def planned_again(recorded, folder, monkeypatch):
    """The dry run of a recorded experiment, with the files that it names beside it, on the machine that it
    ran on.
    """
    for data in SHIPPED.glob("*.jsonl"):
        shutil.copy(data, folder)
    (folder / "e.yaml").write_text(recorded["experiment"])
    speed = CpuSpeed(speeds.REACHED * recorded["products"], recorded["bytes"])
    monkeypatch.setattr(speeds, "measured_cpu", lambda devices: speed)
    return plan(folder / "e.yaml")


@pytest.mark.models
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_the_time_is_within_a_factor_of_what_the_run_took(file, tmp_path, monkeypatch):
    recorded = json.loads(file.read_text())
    planned = planned_again(recorded, tmp_path, monkeypatch)
    took = sum(recorded["seconds"].values())
    assert took / FACTOR < 3600 * planned.hours < took * FACTOR
    hours = {part.name: part.hours for part in planned.parts}
    for part, stage in PARTS.items():
        if part not in hours:
            continue
        spent = recorded["seconds"][stage]
        if spent < SHORT and 3600 * hours[part] < SHORT:
            continue
        assert spent / FACTOR < 3600 * hours[part] < spent * FACTOR, (part, spent, 3600 * hours[part])


@pytest.mark.models
@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_rows_steps_and_tokens_are_those_of_the_run(file, tmp_path, monkeypatch):
    recorded = json.loads(file.read_text())
    if recorded.get("python") != platform.python_version():
        pytest.skip("the documentation of another Python, so another pool, or a run without these counts")
    for arm in planned_again(recorded, tmp_path, monkeypatch).arms:
        if arm.by == "none":
            continue
        run = recorded["trained"][arm.name]
        counted = {"rows": arm.trained_rows, "steps": arm.steps, "tokens": arm.tokens}
        if arm.exact:
            assert counted == run, arm.name
        else:
            assert counted == pytest.approx(run, rel=0.1), arm.name


PAID = """\
name: paid
pool: {{path: {pool}, hold_out: 4}}
model: {{name: some/llama-7b}}
arms:
  base: {{by: none}}
  longest: {{by: longest, size: 10}}
  random:
    by: random
    size: 10
    refine: {{model: m, base_url: "http://127.0.0.1:9/v1", price_in: 1000, price_out: 2000, max_tokens: 100}}
evaluate:
  judges: [{{name: scores, model: m, base_url: "http://127.0.0.1:9/v1", price_in: 1000, price_out: 2000}}]
"""


@pytest.fixture
def paid(tmp_path):
    rows = [{"instruction": f"Ask {i}.", "input": "", "output": "word " * (i + 1)} for i in range(40)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "e.yaml").write_text(PAID.format(pool=tmp_path / "pool.jsonl"))
    return tmp_path / "e.yaml"


def test_times_and_money_add_up_and_say_what_they_assume(paid):
    planned = plan(paid)
    assert planned.hours == pytest.approx(sum(part.hours for part in planned.parts))
    assert planned.at_most_usd == pytest.approx(
        planned.refined[0]["at_most_usd"] + planned.evaluation["judges"][0]["at_most_usd"]
    )
    assert planned.at_most_usd > 1
    assert all(part.assumed for part in planned.parts)
    text = text_of(planned)
    assert f"${planned.at_most_usd:,.2f}" in text and "In all: some " in text


def test_a_part_of_the_work_costs_its_part(paid):
    whole, training, answers = (plan(paid, until=until) for until in ("report", "train", "generate"))
    assert [part.name for part in training.parts] == ["rewriting", "training"]
    assert [part.name for part in answers.parts] == ["rewriting", "training", "reference loss", "answers"]
    assert training.hours < answers.hours < whole.hours
    one = plan(paid, until="train", only=["longest"])
    assert [part.name for part in one.parts] == ["training"] and one.at_most_usd == 0
    assert one.hours < training.hours


def test_what_is_not_known_makes_the_sum_unknown(paid):
    without_prices = plan(paid, ["evaluate.judges.0.price_in=null"])
    assert without_prices.at_most_usd is None and "cost unknown: give price_in and price_out" in text_of(
        without_prices
    )
    unknown = plan(paid, ["model.name=some/model"])
    assert unknown.hours is None
    assert "In all: at least " in text_of(unknown)
    assert "(the time of training, reference loss, answers is unknown)" in text_of(unknown)


SCORED = """\
name: scored
pool: {{path: {pool}}}
model: {{name: some/llama-7b}}
arms:
  base: {{by: none}}
  spread: {{by: kmeans, size: 10}}
  central: {{by: k-center, size: 10}}
  rated:
    by: llm-rating
    size: 10
    score: {{model: m, base_url: "http://127.0.0.1:9/v1", price_in: 0, price_out: 1000, concurrency: 4}}
evaluate: {{prompts: [{{name: asks, path: {prompts}}}]}}
"""


@pytest.fixture
def scored(paid):
    file = paid.with_name("scored.yaml")
    prompts = paid.with_name("prompts.jsonl")
    prompts.write_text('{"prompt": "Ask."}\n')
    file.write_text(SCORED.format(pool=paid.with_name("pool.jsonl"), prompts=prompts))
    return file


def scoring_of(planned):
    (found,) = [part for part in planned.parts if part.name == "scoring"]
    return found


def test_scoring_by_models_is_in_the_sums_once_for_all_arms_that_share_it(scored):
    planned = plan(scored)
    part = scoring_of(planned)
    embedded = Embedding().estimate(hp.read(scored.with_name("pool.jsonl")), None)
    assert part.hours == pytest.approx((embedded.seconds + 40 * 4 / 4) / 3600)
    assert part.usd > 0 and planned.at_most_usd == pytest.approx(part.usd)
    assert [one["scorer"] for one in planned.scored] == ["embedding", "embedding", "llm-rating"]
    alone = plan(scored, only=["central"])
    assert scoring_of(alone).hours == pytest.approx(embedded.seconds / 3600) and scoring_of(alone).usd == 0
    assert [part.name for part in plan(scored, until="select").parts] == ["scoring"]


def test_scoring_takes_an_unknown_time_on_a_machine_that_is_not_here(scored):
    planned = plan(scored, assume="8xH100")
    assert scoring_of(planned).hours is None and planned.hours is None
    assert "(the time of scoring is unknown)" in text_of(planned)
