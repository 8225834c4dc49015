"""A dry run: every arm that would be trained, what it takes, what is missing; of
the shipped experiments too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from handpicked.errors import ConfigError
from handpicked.experiment.file import load
from handpicked.experiment.lineup import lineup
from handpicked.experiment.planning import untouched as untouched_arms
from handpicked.experiment.planning.dry_run import plan
from handpicked.experiment.planning.dry_run_text import text_of
from handpicked.experiment.run import run

pytest.importorskip("transformers", reason="needs the train extra")

EXPERIMENT = """\
name: mine
pool: {{path: {pool}, hold_out: 4}}
pools: {{medical: {{path: {pool}}}}}
models: {{small: {{name: some/tiny-1b}}, large: {{name: some/llama-7b}}}}
arms:
  base: {{by: none}}
  longest: {{by: longest, sizes: [10, 20]}}
  random: {{by: random, size: 20, seeds: [1, 2, 3], model: small, pool: medical}}
  refined:
    by: longest
    fraction: 0.5
    model: small
    refine: {{model: m, base_url: "http://127.0.0.1:9/v1", price_in: 1, price_out: 2, max_tokens: 100}}
"""


def write_pool(path, rows):
    lines = [{"instruction": f"Ask {i}.", "input": "", "output": "word " * (i + 1)} for i in range(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_every_arm_of_sizes_seeds_models_and_pools_is_listed_with_what_it_takes(tmp_path):
    pool = write_pool(tmp_path / "pool.jsonl", 40)
    file = tmp_path / "e.yaml"
    file.write_text(EXPERIMENT.format(pool=pool))
    planned = plan(file)
    assert [(arm.name, arm.rows) for arm in planned.arms if arm.by != "none"] == [
        ("longest-small-10", 10), ("longest-small-20", 20), ("longest-large-10", 10), ("longest-large-20", 20),
        ("random-s1", 20), ("random-s2", 20), ("random-s3", 20), ("refined", 18),
    ]  # fmt: skip
    cost = {arm.name: arm for arm in planned.arms}
    assert cost["longest-large-10"].memory_gib > cost["longest-small-10"].memory_gib
    assert cost["longest-large-10"].tokens == cost["longest-small-10"].tokens
    assert planned.evaluation["comparisons"] == 6 + 2, (
        "within each base only; random seed by seed; sizes against base"
    )
    assert planned.evaluation["answers"] == 10 * 4
    assert [(part["arm"], part["calls"]) for part in planned.refined] == [("refined", 18)]
    assert 18 * 100 * 2 / 1e6 < planned.refined[0]["at_most_usd"] + 0.005 < 0.03
    text = text_of(planned)
    for part in (
        "pool    medical: ",
        "model   large: some/llama-7b",
        "longest-small-20",
        "refine  refined (m): 18 calls",
    ):
        assert part in text


SMALLEST = """\
name: mine
pool: {{path: {pool}, hold_out: 4}}
train: {{method: lora, budget_tokens: 24000}}
arms:
  base: {{by: none}}
  longest: {{by: longest, size: 20}}
  shortest: {{by: shortest, size: 36, train: {{method: full, batch_size: 1, warmup_ratio: 0.1, scheduler: constant}}}}
  random:
    by: random
    size: 20
    seeds: [1, 2]
    train: {{learning_rate: 1e-3, epochs: 3, batch_size: 30}}
"""


@pytest.fixture
def smallest(tmp_path):
    """An experiment whose longest arm takes a single step: 20 rows at batch 128, under a warm-up of 0.03."""
    file = tmp_path / "e.yaml"
    pool = write_pool(tmp_path / "pool.jsonl", 40)
    file.write_text(SMALLEST.format(pool=pool).replace("24000", "400"))
    return file


def test_steps_and_learning_rates_are_reported_with_their_origin(smallest):
    planned = plan(smallest)
    found = {
        arm.name: (arm.steps, arm.warmup_steps, arm.learning_rate, arm.rate_origin, arm.rate_sum)
        for arm in planned.arms
        if arm.by != "none"
    }
    assert found["longest"] == (1, 0, 2e-4, "default for lora", 2e-4)
    # 36 rows, three passes of one row a step: ten steps warm up, from 0 to 9 tenths of the peak
    assert found["shortest"][:4] == (108, 10, 2e-5, "default for full")
    assert found["shortest"][4] == pytest.approx(2e-5 * (98 + 4.5))
    assert found["random-s1"] == found["random-s2"] == (2, 0, 1e-3, "as set", pytest.approx(1.5e-3))
    text = text_of(planned)
    assert "peak lr 0.0002 (default for lora): longest" in text
    assert "peak lr 0.001 (as set): random-s1, random-s2" in text
    line = next(line for line in text.splitlines() if line.startswith("  longest "))
    assert line.split()[2:7] == ["20", "5", "1", "0", "0.0002"], "5 of the 20 rows fit into 400 tokens"


def test_few_steps_are_warned_of(smallest):
    warned = {arm.name: arm.warnings for arm in plan(smallest).arms}
    assert warned["base"] == warned["shortest"] == ()
    assert "longest takes 1 optimizer step, fewer than 10" in warned["longest"][0]
    assert "random-s2 takes 2 optimizer steps" in warned["random-s2"][0]
    assert "\nWarnings:\n  - longest takes 1" in text_of(plan(smallest))


def test_steps_under_a_budget_are_those_of_rows_like_the_arms(smallest):
    """A guard bounds the longest rows, and an arm of equal lengths has as many tokens: 40 a row with the
    template's 30, of any row 55.
    """
    guarded = json.dumps({"by": "longest", "size": 5, "guards": ["token-window=1:8"]})
    matched = json.dumps({"by": "length-matched", "of": "longest", "size": 5, "disjoint": True})
    small = ["train.batch_size=1", f"arms.longest={guarded}", f"arms.matched={matched}"]
    arms = {arm.name: arm for arm in plan(smallest, [*small, "arms.any={by: random, size: 5}"]).arms}
    assert arms["longest"].exact and arms["longest"].steps == 10
    assert not arms["matched"].exact and 9 <= arms["matched"].steps <= 11
    assert arms["any"].exact and arms["any"].steps < 9
    lines = text_of(plan(smallest, small)).splitlines()
    known, estimated = (
        next(one for one in lines if one.startswith(f"  {name} ")) for name in ("longest", "matched")
    )
    assert known.split()[4] == "10" and estimated.split()[4] == f"~{arms['matched'].steps}"


def test_every_arm_that_could_not_be_trained_is_refused_at_once_with_its_line(smallest):
    with pytest.raises(ConfigError) as refused:
        plan(smallest, ["train.budget_tokens=5", "arms.random.train.learning_rate=1e-20"])
    longest, *random = refused.value.mistakes
    assert "line 6: arm 'longest': train.budget_tokens = 5 holds none of its rows" in longest
    assert len(random) == 2 and all("line 8: arm 'random-s" in one for one in random)
    assert all(
        "2 optimizer steps with learning rates that add up to 1.5e-20 cannot move" in one for one in random
    )


def test_an_arm_that_asks_for_no_row_is_a_mistake(smallest):
    with pytest.raises(ConfigError, match="arm 'longest': size is 0"):
        plan(smallest, ["arms.longest.size=0"])
    nothing = json.dumps({"by": "random", "fraction": 0.001})
    with pytest.raises(ConfigError, match="arm 'random': no row would be kept"):
        plan(smallest, [f"arms.random={nothing}"])


def test_a_budget_that_the_first_drawn_row_exceeds_is_a_mistake_as_in_training(smallest):
    """The shortest row would fit, but the row that training draws first does not."""
    with pytest.raises(
        ConfigError, match=r"line 6: arm 'longest': train\.budget_tokens = 60 does not hold even"
    ) as error:
        plan(smallest, ["train.budget_tokens=60"])
    assert "the first that is drawn has" in str(error.value)


def test_a_budget_below_an_average_row_is_warned_of(smallest):
    settings = ["train.budget_tokens=27", "model.name=some/llama-7b"]  # its template is not here to encode by
    warned = {arm.name: arm.warnings for arm in plan(smallest, settings).arms}
    assert any("may hold none of its rows" in one for one in warned["longest"]), warned


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "subset"), [("llama2-7b-alpaca", 50), ("llama2-7b-wizardlm", 3), ("llama2-7b-dolly", 50)]
)
def test_the_papers_experiments_resolve_every_name_and_say_what_they_take(
    name, subset, request, real_data, tmp_path, monkeypatch
):
    """On a pool of 50 rows in the place of the real one, of which as many are selected."""
    monkeypatch.setenv("HANDPICKED_DATA", str(real_data))
    pool = write_pool(tmp_path / "pool.jsonl", 50)
    file = Path(name)
    sizes = [
        f"arms.{arm}.size={subset}" for arm in ("random", "kmeans", "quality", "longest") if subset == 50
    ]
    planned = plan(file, [f"pool={pool}", *sizes])
    rows = {arm.name: arm.rows for arm in planned.arms}
    assert rows == {"full": 50, **dict.fromkeys(("random", "kmeans", "quality", "longest"), subset)}
    assert all(arm.tokens and arm.steps and arm.memory_gib > 90 for arm in planned.arms)
    (judge,) = planned.evaluation["judges"]
    asked = sum(planned.evaluation["prompts"].values())
    assert asked > 1000 and judge["calls"] == 2 * 4 * asked and judge["at_most_usd"] > 100
    assert not any("planned" in part for part in planned.missing)


def test_a_run_refuses_every_such_arm_at_once_before_any_work(smallest, tiny_model, tmp_path):
    nothing = json.dumps({"by": "random", "fraction": 0.001})
    settings = ["train.budget_tokens=5", "arms.random.train.learning_rate=1e-20", f"arms.none={nothing}"]
    words = [sys.executable, "-m", "handpicked", "run", str(smallest), "-o", str(tmp_path / "out")]
    words += [word for setting in (*settings, f"model.name={tiny_model}") for word in ("--set", setting)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2 and not (tmp_path / "out").exists(), done.stderr
    longest, *rest = done.stderr.splitlines()
    assert "line 6: arm 'longest': train.budget_tokens = 5 holds none of its rows" in longest
    assert sum("line 8: arm 'random-s" in line for line in rest) == 2
    assert "there is no row to train on" in done.stderr


def test_a_run_reads_no_pool_where_every_arm_has_a_step_at_its_peak_rate(smallest, monkeypatch):
    monkeypatch.setattr(untouched_arms, "row_costs", pytest.fail)
    sized = [
        "train={method: lora, epochs: 1}",
        "arms.shortest.train={epochs: 1}",
        "arms.random.train={epochs: 1}",
    ]
    assert untouched_arms.untouched(lineup(load(smallest, sized))) == []


UNEQUAL = """\
name: mine
pool: {{path: {pool}, hold_out: 4}}
model: {{name: {model}}}
train: {{method: lora, budget_tokens: 900, batch_size: 2, max_length: 48, learning_rate: 1e-3}}
arms:
  all: {{by: full}}
  longest: {{by: longest, size: 9, guards: [token-window=1:80]}}
  random: {{by: random, size: 9, seed: 1}}
  passes: {{by: random, size: 9, seed: 2, train: {{method: lora, epochs: 1.5, batch_size: 4, max_length: 48}}}}
"""


def test_rows_steps_and_tokens_are_those_that_training_then_counts(tiny_model, tmp_path):
    file = tmp_path / "e.yaml"
    file.write_text(UNEQUAL.format(pool=write_pool(tmp_path / "pool.jsonl", 40), model=tiny_model))
    planned = {arm.name: arm for arm in plan(file).arms}
    assert all(arm.exact for arm in planned.values())
    run(file, tmp_path / "run", until="train")
    for name, arm in planned.items():
        facts = json.loads((tmp_path / "run/model" / name / "stage.json").read_text())["facts"]
        counted = (facts["rows_used"], facts["steps"], facts["training_tokens"])
        assert (arm.trained_rows, arm.steps, arm.tokens) == counted, name
    assert planned["longest"].trained_rows == 9 and planned["all"].trained_rows < 36, "what the budget holds"


def test_an_arm_that_a_model_selects_is_estimated_with_its_template(tmp_path):
    """Length-matched rows are known only in the run; theirs are as long as the longest arm's."""
    arms = "arms: {longest: {by: longest, size: 9}, same: {by: length-matched, of: longest, size: 9}}"
    file = tmp_path / "e.yaml"
    pool = write_pool(tmp_path / "pool.jsonl", 40)
    file.write_text(f"name: mine\npool: {{path: {pool}, hold_out: 4}}\n{arms}\n")
    known, estimated = plan(file).arms
    assert known.exact and not estimated.exact
    assert estimated.tokens == pytest.approx(known.tokens, rel=0.02)
