"""What a dry run counts is what the run then selects, and a pool, a target and a
selection are each looked at once.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handpicked.catalogue import SCORERS, SELECTORS
from handpicked.config import BUNDLED_LM, Experiment
from handpicked.data import pool as data_pool
from handpicked.errors import ConfigError, HandpickedError
from handpicked.experiment import stages
from handpicked.experiment.job import Job
from handpicked.experiment.lineup import lineup
from handpicked.experiment.planning.arm_rows import arm_rows, selectable
from handpicked.progress import SILENT
from handpicked.selection import kept_scores as modeled
from handpicked.selection import plan
from handpicked.store import open_run

WORDS = ["a", "tree", "sees", "stones", "and", "rivers", "at", "night"]
GUARDS = [
    "duplicates",
    "cut-off",
    "repetition",
    "near-duplicates",
    "compressibility=1.2",
    "token-window=3:40",
]


@st.composite
def rows(draw):
    """Rows of which some repeat, some say nothing and some cannot be read."""
    responses = draw(st.lists(st.integers(0, 30), min_size=4, max_size=24))
    listed = [
        {"prompt": f"Say {number % 17}.", "response": " ".join(WORDS[(i * i) % 8] for i in range(words))}
        for number, words in enumerate(responses)
    ]
    lost = draw(st.sets(st.integers(0, len(listed) - 1), max_size=3))
    return [{"prompt": None, "response": 7} if place in lost else row for place, row in enumerate(listed)]


def experiment_of(pool, hold_out, arms, **more):
    prompts = (
        [{"name": "held-out"}] if hold_out else [{"name": "x", "path": str(pool)}]
    )  # never read by these stages
    return Experiment.model_validate(
        {
            "name": "x",
            "pool": {"path": str(pool), "hold_out": hold_out},
            "model": {"name": BUNDLED_LM},
            "arms": arms,
            "evaluate": {"prompts": prompts},
            **more,
        }
    )


def counted(experiment):
    """What the dry run says, by arm, or the mistake that it finds."""
    expanded = lineup(experiment)
    try:
        with selectable(expanded) as pools:
            readable = {
                name: sum(len(b) for s in p.shards for b in s.read(["row"])) for name, p in pools.items()
            }
            return {name: one.rows for name, one in arm_rows(expanded, pools, readable).items()}
    except HandpickedError as error:
        return type(error)


def selected(experiment, folder):
    """What the stages select, by arm, or the mistake that they find."""
    try:
        with open_run(folder) as store:
            job = Job(store, lineup(experiment), SILENT)
            made = stages.subsets(job, stages.pools(job), list(experiment.arms))
            return {name: one.stage.facts["kept"] for name, one in made.items()}
    except HandpickedError as error:
        return type(error)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows(),
    st.integers(0, 3),
    st.one_of(
        st.integers(0, 12).map(lambda size: {"size": size}),
        st.integers(0, 100).map(lambda percent: {"fraction": percent / 100}),
    ),
    st.lists(st.sampled_from(GUARDS), max_size=2, unique=True),
    st.sampled_from(["random", "longest"]),
)
def test_a_dry_run_counts_what_is_then_selected(tmp_path_factory, listed, hold_out, amount, guards, by):
    folder = tmp_path_factory.mktemp("counts")
    pool = folder / "pool.jsonl"
    pool.write_text("".join(json.dumps(row) + "\n" for row in listed))
    arms = {
        "some": {"by": by, **amount, "guards": guards},
        "full": {"by": "full", "guards": guards},
    }
    experiment = experiment_of(pool, hold_out, arms)
    assert counted(experiment) == selected(experiment, folder / "run")


def write_rows(path, count):
    path.write_text(
        "".join(
            json.dumps({"prompt": f"Say {i}.", "response": "word " * (i % 29 + 1)}) + "\n"
            for i in range(count)
        )
    )
    return path


def test_029_of_100_rows_is_29_in_both(tmp_path):
    arms = {"longest": {"by": "longest", "fraction": 0.29}, "random": {"by": "random", "fraction": 0.57}}
    experiment = experiment_of(write_rows(tmp_path / "pool.jsonl", 100), 0, arms)
    assert counted(experiment) == {"longest": 29, "random": 57} == selected(experiment, tmp_path / "run")


def test_every_arm_that_asks_for_too_many_rows_is_reported_by_the_dry_run(tmp_path):
    arms = {
        "longest": {"by": "longest", "size": 50},
        "random": {"by": "random", "size": 41},
        "fine": {"by": "random", "size": 36},
        "matched": {"by": "length-matched", "of": "fine", "size": 5},
    }
    experiment = experiment_of(write_rows(tmp_path / "pool.jsonl", 40), 4, arms)
    with selectable(lineup(experiment)) as pools, pytest.raises(ConfigError) as error:
        arm_rows(lineup(experiment), pools, {None: 36})
    found = error.value.mistakes
    assert len(found) == 3 and "arm 'longest': size: 50 rows" in found[0] and "arm 'random'" in found[1]
    assert "matches the 36 rows of arm 'fine'" in found[2]


@pytest.mark.models
@pytest.mark.parametrize("hold_out", [0, 4])
def test_a_pool_is_hashed_once_and_a_target_is_read_once_whatever_the_arms(tmp_path, monkeypatch, hold_out):
    pytest.importorskip("sentence_transformers", reason="needs the embed extra")
    target = write_rows(tmp_path / "target.jsonl", 3)
    by = {"by": "target-similarity", "size": 4, "score": {"target": str(target)}}
    arms = {
        "one": by,
        "two": {**by, "size": 6},
        "best": {**by, "by": "top", "field": "target-similarity"},
        "longest": {"by": "longest", "size": 4},
    }
    experiment = experiment_of(write_rows(tmp_path / "pool.jsonl", 30), hold_out, arms)
    calls: Counter[str] = Counter()

    def counting(module, name, key):
        real = getattr(module, name)

        def counted(*arguments, **more):
            calls[key(*arguments)] += 1
            return real(*arguments, **more)

        monkeypatch.setattr(module, name, counted)

    from handpicked.scorers.lm import target as targets

    counting(data_pool, "_sha256", lambda path: f"hash {path.name}")
    counting(targets, "read", lambda path: f"read {Path(path).name}")
    counting(plan, "selector_for", lambda settings, *_, **__: f"selector {settings.by} {settings.size}")
    content = modeled.Content.of
    monkeypatch.setattr(
        modeled.Content, "of", staticmethod(lambda pool: calls.update(["content"]) or content(pool))
    )
    assert selected(experiment, tmp_path / "run") == {"one": 4, "two": 6, "best": 4, "longest": 4}
    hashed = {"hash pool.jsonl": 1, **({"hash selected.jsonl": 1} if hold_out else {})}
    resolved = {
        "selector target-similarity 4": 1,
        "selector target-similarity 6": 1,
        "selector top 4": 1,
        "selector longest 4": 1,
    }
    assert calls == {**hashed, **resolved, "read target.jsonl": 1, "content": 1}


def test_a_target_that_changes_is_read_again(tmp_path):
    from handpicked.scorers.lm.target import TargetSet

    file = str(write_rows(tmp_path / "target.jsonl", 3))
    first = TargetSet.read(file)
    assert TargetSet.read(file) is first
    write_rows(tmp_path / "target.jsonl", 4)
    assert len(TargetSet.read(file)) == 4


def test_the_plan_says_what_it_depends_on_and_the_manifest_repeats_it(tmp_path):
    from handpicked.config import SelectSettings
    from handpicked.data import read
    from handpicked.selection import pick

    pool = read(write_rows(tmp_path / "pool.jsonl", 20))
    asked = SelectSettings(by="longest", size=4, guards=("near-duplicates", "duplicates"))
    planned = plan.plan_selection(pool, asked)
    assert dict(planned.versions.methods) == {
        "selection": plan.SELECTION, "tokens": 1, "minhash": 1, "chars": 1, "longest": 1,
        "guard near-duplicates": 1, "guard duplicates": 1,
    }  # fmt: skip
    assert {"gigatoken", "rensa"} <= set(planned.versions.libraries)
    pick(pool, asked, tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["methods"] == dict(planned.versions.methods)
    assert manifest["libraries"] == dict(planned.versions.libraries)


def test_every_method_states_a_version_and_libraries():
    listed = [*SCORERS.shipped.values(), *SELECTORS.shipped.values()]
    assert all(isinstance(one.version, int) and isinstance(one.libraries, tuple) for one in listed)


def test_a_selection_depends_on_the_prompts_that_it_keeps_out(tmp_path):
    from handpicked.config import SelectSettings
    from handpicked.data import read

    pool, prompts = read(write_rows(tmp_path / "pool.jsonl", 20)), tmp_path / "prompts.jsonl"
    asked = SelectSettings(by="longest", size=4, guards=("decontaminate",), prompts=(str(prompts),))
    found = []
    for text in ("Why?", "Why not?", "Why?"):
        prompts.write_text(json.dumps({"prompt": text}) + "\n")
        found.append(plan.plan_selection(pool, asked).inputs)
    assert found[0] == found[2] != found[1] and found[0].keys() == {"guard decontaminate"}
