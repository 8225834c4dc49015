"""Sizes, seeds, several models, several pools and rewritten responses, from the file to
the report, on tiny models.
"""

from __future__ import annotations

import json
import random
import shutil

import pytest
import yaml

from handpicked.endpoint.client import Retry
from handpicked.errors import EndpointError
from handpicked.experiment.file import load
from handpicked.experiment.run import run
from local_endpoint import Act, local_endpoint

pytest.importorskip("trl", reason="needs the train extra")
pytestmark = pytest.mark.models

WORDS = [
    "the", "tree", "sees", "a", "stone", "and", "a", "river", "takes", "it", "home", "before", "night",
    "falls", "over", "every", "quiet", "field",
]  # fmt: skip


def write_pool(path, topic, rows, seed):
    rng = random.Random(seed)
    lines = [
        {
            "prompt": f"Say something about {topic} {i}.",
            "response": " ".join(rng.choices(WORDS, k=rng.randint(3, 30))),
        }
        for i in range(rows)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_experiment(folder, start, **changes):
    written = {
        "name": "tiny",
        "pool": {"path": str(folder / "pool.jsonl"), "hold_out": 5},
        "train": {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "max_length": 400, "learning_rate": 1e-3, "merge": False},
        "model": {"name": str(start)},
        "arms": {"base": {"by": "none"}},
        "evaluate": {"generate": {"max_new_tokens": 8, "batch_size": 8}},
    }  # fmt: skip
    written |= changes
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in written.items() if value}, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    write_pool(folder / "pool.jsonl", "thing", 40, 0)
    write_pool(folder / "medical.jsonl", "illness", 20, 1)
    return folder


@pytest.fixture(scope="module")
def finished(folder, tiny_model, tmp_path_factory):
    """Two base models, three sizes on the one and the other, two seeds, a domain
    pool beside the general one.
    """
    other = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(tiny_model, other)
    path = write_experiment(
        folder,
        None,
        model=None,
        models={"one": {"name": str(tiny_model)}, "two": {"name": str(other)}},
        pools={"medical": {"path": str(folder / "medical.jsonl"), "hold_out": 4}},
        arms={
            "base": {"by": "none"},
            "longest": {"by": "longest", "sizes": [4, 8]},
            "random": {"by": "random", "size": 8, "seeds": [1, 2], "model": "one"},
            "domain": {"by": "longest", "size": 4, "pool": "medical", "model": "one"},
        },
        evaluate={
            "prompts": [
                {"name": "held-out"},
                {"name": "medicine", "pool": "medical", "suffix": "Answer briefly."},
            ],
            "generate": {"max_new_tokens": 8, "batch_size": 8},
        },
    )
    outcome = run(load(path), tmp_path_factory.mktemp("runs") / "tiny")
    return path, outcome


def test_every_size_seed_model_and_pool_is_selected_from_trained_and_asked(finished):
    _, outcome = finished
    members = [
        "longest-one-4", "longest-one-8", "longest-two-4", "longest-two-8", "random-s1", "random-s2", "domain",
    ]  # fmt: skip
    for name in members:
        assert (outcome.folder / f"model/{name}/adapter/adapter_model.safetensors").is_file()
    for name in (*members, "base-one", "base-two"):
        answers = (outcome.folder / f"answers/{name}/answers.jsonl").read_text().splitlines()
        assert len(answers) == 9
    rows = {name: (outcome.folder / f"subset/{name}/selected.jsonl").read_text() for name in members}
    assert rows["random-s1"] != rows["random-s2"] and rows["longest-one-4"] == rows["longest-two-4"]
    assert rows["longest-one-8"].count("\n") == 8 and rows["longest-one-4"].count("\n") == 4
    assert rows["domain"].count("illness") == 4
    assert {json.loads(line)["test_set"] for line in (outcome.folder / "prompts.jsonl").open()} == {
        "held-out",
        "medicine",
    }


def test_a_suffix_follows_every_prompt_of_its_test_set_and_no_training_row(finished):
    _, outcome = finished
    asked = [json.loads(line) for line in (outcome.folder / "prompts.jsonl").open()]
    ends = {
        (prompt["test_set"], prompt["messages"][-1]["content"].endswith(" Answer briefly."))
        for prompt in asked
    }
    assert ends == {("held-out", False), ("medicine", True)}
    assert len({prompt["prompt_id"] for prompt in asked}) == len(asked) == 9
    assert "Answer briefly." not in (outcome.folder / "subset/domain/selected.jsonl").read_text()
    assert all(prompt["reference"] for prompt in asked)


def test_the_results_compare_within_a_base_and_pool_the_seeds(finished):
    _, outcome = finished
    results = outcome.results
    assert results.candidates == ("longest-one-8", "longest-two-8")
    base = {arm.name: arm.base for arm in results.arms}
    assert all(base[c.a] == base[c.b] for c in results.comparisons)
    pooled = [c for c in results.comparisons if c.b == "random" and c.test_set == "all"]
    assert [c.strict.win_rate.n for c in pooled] == [18]
    assert [(one.a, one.b) for one in pooled[0].seeds] == [
        ("longest-one-8", "random-s1"), ("longest-one-8", "random-s2"),
    ]  # fmt: skip
    arm = next(arm for arm in results.arms if arm.name == "random")
    assert arm.seeds == ("random-s1", "random-s2") and arm.loss.n == 18
    assert tuple(one.name for one in results.members)[:2] == arm.seeds
    assert [pool.name for pool in results.pools] == ["medical"]
    assert outcome.answer.startswith("On one:") and "On two:" in outcome.answer


def test_the_size_curves_are_of_each_base_with_every_measure(finished):
    _, outcome = finished
    curves = outcome.results.size_curves
    assert [(curve.family, curve.base) for curve in curves] == [("longest", "one"), ("longest", "two")]
    for curve in curves:
        assert [m.name for m in curve.measures] == [
            "win rate against the base model",
            "held-out loss",
        ]
        for measure in curve.measures:
            assert [point.rows for point in measure.points] == [4, 8]
            assert measure.smallest in {point.arm for point in measure.points}


def test_the_page_shows_sizes_and_seeds_and_a_second_run_does_nothing(finished):
    path, outcome = finished
    page = outcome.report.read_text()
    assert "How few rows are enough?" in page and "How much do the seeds matter?" in page
    said: list[str] = []
    again = run(load(path), outcome.folder, say=said.append)
    assert said == [] and again.report.read_text() == page


def test_rewritten_responses_are_trained_on_and_both_texts_are_kept(
    folder, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path))

    def act(body, count):
        text = body["messages"][-1]["content"]
        old = text.split("= ANSWER =")[1].strip("= \n").split("\n")[0]
        return Act("" if count == 3 else f"Better: {old}", finish="length" if count == 4 else "stop")

    with local_endpoint(act) as endpoint:
        refine = {"model": "m", "base_url": endpoint.url, "concurrency": 1, "price_in": 1, "price_out": 2}
        arms = {
            "longest": {"by": "longest", "size": 8},
            "refined": {"by": "longest", "size": 8, "refine": refine},
        }
        path = write_experiment(folder, tiny_model, arms={"base": {"by": "none"}, **arms})
        said: list[str] = []
        outcome = run(load(path), tmp_path / "run", say=said.append)
        assert len(endpoint.bodies) == 8 and said[0].startswith(
            "refined/refined: 8 requests to m, at most 0.0"
        )
        shutil.rmtree(outcome.folder / "refined")
        run(load(path), outcome.folder, until="train")
        assert len(endpoint.bodies) == 8, "every reply is in the cache, the useless ones too"
    lines = [json.loads(line) for line in (tmp_path / "run/subset/refined/selected.jsonl").open()]
    notes = [json.loads(line) for line in (tmp_path / "run/refined/refined/refined.jsonl").open()]
    kept = [json.loads(line) for line in (tmp_path / "run/refined/refined/selected.jsonl").open()]
    assert [note["original"] for note in notes] == [line["response"] for line in lines]
    assert sorted(str(note["reason"]) for note in notes if note["refined"] is None) == [
        "an empty reply",
        "cut at 1024 tokens",
    ]
    assert all(row["messages"][-1]["content"] == f"Better: {row['original_response']}" for row in kept)
    arm = next(arm for arm in outcome.results.arms if arm.name == "refined")
    assert arm.refined.left_out == {"an empty reply": 1, "cut at 1024 tokens": 1}
    assert arm.training.rows == 6 and arm.refined.cost > 0
    assert "Rewriting left rows out" in {banner.title for banner in outcome.results.banners}


def test_scoring_that_arms_share_is_a_stage_of_its_own_with_its_time_and_cost(
    folder, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path))
    with local_endpoint(lambda _, count: Act(str(count % 6), usage=(100_000, 50_000))) as endpoint:
        rating = {"model": "m", "base_url": endpoint.url, "price_in": 1, "price_out": 2}
        arms = {
            "rated": {"by": "llm-rating", "size": 8, "score": rating},
            "few": {"by": "llm-rating", "size": 4, "score": rating},
        }
        path = write_experiment(folder, tiny_model, arms={"base": {"by": "none"}, **arms})
        outcome = run(load(path), tmp_path / "run")
        assert len(endpoint.bodies) == 35, "40 rows, 5 of them held out, each rated once for both arms"
    stages = outcome.results.stages
    (scoring,) = [stage for stage in stages if stage.name == "score llm-rating"]
    assert scoring.arm == "" and scoring.seconds > 0
    assert scoring.cost == pytest.approx(35 * (0.1 + 0.1))
    names = [stage.name for stage in stages]
    assert names.index("pool") < names.index("score llm-rating") < names.index("select")
    assert "$7.00" in (outcome.folder / "report.md").read_text()


def test_lost_responses_are_asked_for_again_alone_and_the_arm_is_trained_again(
    folder, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Retry, "pause", lambda *_: 0.01)
    sick: list[str] = []

    def act(body, count):
        text = body["messages"][-1]["content"]
        sick.extend([text] if count == 2 else [])
        return Act(status=503) if text in sick else Act("Better.")

    with local_endpoint(act) as endpoint:
        refine = {"model": "m", "base_url": endpoint.url, "concurrency": 1, "price_in": 1, "price_out": 2}
        path = write_experiment(
            folder, tiny_model, arms={"refined": {"by": "longest", "size": 8, "refine": refine}}
        )

        def rows():
            before, said = len(endpoint.bodies), []
            run(load(path), tmp_path / "run", until="train", say=said.append)
            made = tmp_path / "run/refined/refined"
            facts = json.loads((made / "stage.json").read_text())["facts"]
            return (
                len((made / "selected.jsonl").open().readlines()),
                facts,
                len(endpoint.bodies) - before,
                said,
            )

        kept, facts, *_ = rows()
        assert (kept, facts["lost"], sum(facts["left_out"].values())) == (7, 1, 1)
        kept, *_, said = rows()
        assert kept == 7 and "stays as it is" in said[1]
        shutil.rmtree(tmp_path / "cache")  # what is there needs it no more
        sick.clear()
        cost = facts["cost"]
        kept, facts, sent, said = rows()
        assert (kept, sent, facts["lost"], facts["left_out"]) == (8, 1, 0, {})
        assert facts["cost"] == pytest.approx(cost * 8 / 7)
        assert any(line.startswith("model/refined: runs again because") for line in said)
        assert rows()[2:] == (0, [])


def test_rewriting_that_gives_nothing_at_all_stops_the_run(folder, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path))
    with local_endpoint(lambda *_: Act("  ")) as endpoint:
        refine = {"model": "m", "base_url": endpoint.url}
        arms = {"refined": {"by": "longest", "size": 4, "refine": refine}}
        path = write_experiment(folder, tiny_model, arms=arms)
        with pytest.raises(EndpointError, match="no usable response for any of 4 rows"):
            run(load(path), tmp_path / "run", until="train")
