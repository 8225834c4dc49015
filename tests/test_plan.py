"""A dry run: every arm that would be trained, what it takes, what is missing; of the shipped experiments too."""

from __future__ import annotations

import json

import pytest

from handpicked.plan import plan, text_of

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
    file = request.config.rootpath / "experiments" / f"{name}.yaml"
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
