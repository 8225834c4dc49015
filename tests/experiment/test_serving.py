"""An experiment whose answers and losses come from a vLLM server: what is checked before, and a whole run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from handpicked.config import Experiment
from handpicked.experiment.checks import missing_parts, mistakes
from handpicked.experiment.run import run
from handpicked.experiment.serving import missing_for_serving, serving_mistakes
from handpicked.store import MANIFEST
from local_vllm import write_command


def experiment(folder: Path | str, model: Path | str = "m", **evaluate) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "served",
            "pool": {"path": f"{folder}/pool.jsonl", "hold_out": 3},
            "model": {"name": str(model), "dtype": "float32"},
            "train": {
                "method": "lora",
                "epochs": 1,
                "batch_size": 2,
                "micro_batch_size": 2,
                "max_length": 200,
                "learning_rate": 1e-2,
            },
            "arms": {"base": {"by": "none"}, "longest": {"by": "longest", "size": 4}},
            "evaluate": evaluate,
        }
    )


@pytest.mark.parametrize(
    ("evaluate", "place", "says"),
    [
        ({"generate": {"server": "auto"}}, "server", "set evaluate.generate.engine to vllm"),
        ({"generate": {"engine": "vllm", "server": "atuo"}}, "server", "Did you mean 'auto'?"),
        ({"generate": {"engine": "vllm", "server_python": "p"}}, "server_python", "set server: auto"),
        (
            {"generate": {"engine": "vllm", "server": "http://a:1", "server_options": ["--x"]}},
            "server_options",
            "set server: auto",
        ),
        ({"loss_engine": "vllm"}, "loss_engine", "needs a server"),
        (
            {"judges": [{"name": "scores", "model": "m", "server": "http://a:1"}]},
            "server",
            "goes into base_url",
        ),
        (
            {"judges": [{"name": "scores", "model": "m", "server": "auto", "base_url": "http://a/v1"}]},
            "server",
            "leave one of them out",
        ),
        ({"judges": [{"name": "scores", "server": "auto"}]}, "model", "a folder or a hub name"),
    ],
)
def test_settings_that_mean_nothing_together_are_named_with_their_place(evaluate, place, says):
    ((at, said),) = serving_mistakes(experiment(".", **evaluate))
    assert at[-1] == place and says in said


@pytest.mark.parametrize("server", ["auto", "http://gpu:8000", "https://gpu/v1"])
def test_settings_that_fit_are_no_mistake(server):
    assert not serving_mistakes(
        experiment(".", generate={"engine": "vllm", "server": server}, loss_engine="vllm")
    )


def test_a_vllm_that_is_not_there_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def missing(**generate):
        return missing_for_serving(experiment(".", generate={"engine": "vllm", **generate}))

    assert "server_python" in missing(server="auto")[0] and "pip install vllm" in missing(server="auto")[0]
    assert "cannot be run" in missing(server="auto", server_python=str(tmp_path / "python"))[0]
    assert not missing(server="http://127.0.0.1:9"), "it may be started later"
    write_command(tmp_path / "bin")
    assert not missing(server="auto")
    assert not missing_for_serving(experiment("."))


def test_a_judge_that_cannot_be_served_is_named_before_any_work(tmp_path, monkeypatch, tiny_model):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "pool.jsonl").write_text('{"prompt": "a", "response": "b"}\n')

    def judged(model: str) -> Experiment:
        judges = [{"name": "scores", "model": model, "server": "auto"}]
        return experiment(tmp_path, tiny_model, judges=judges)

    assert any("'scores': vllm: there is no 'vllm' on PATH" in one for one in missing_parts(judged("m")))
    write_command(tmp_path / "bin")
    assert not any("'scores'" in one for one in missing_parts(judged(str(tiny_model))))
    at = [place for place, said in mistakes(judged("./nowhere")) if "no model folder" in said]
    assert at == [("evaluate", "judges", 0, "model")]
    assert not mistakes(judged(str(tiny_model)))


@pytest.mark.models
@pytest.mark.slow
def test_one_run_scores_answers_and_judges_by_servers_that_are_gone_afterwards(
    tiny_model, tmp_path, monkeypatch
):
    rows = [{"prompt": f"Say {i}.", "response": "the tree " * (i % 7 + 1)} for i in range(12)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_command(tmp_path / "bin", says="9 3")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    asked = experiment(
        tmp_path,
        tiny_model,
        generate={"max_new_tokens": 4},
        judges=[{"name": "scores", "model": str(tiny_model), "server": "auto", "force": True}],
    ).model_dump()
    score = {"engine": "vllm", "model": str(tiny_model)}
    asked["arms"] = {"base": {"by": "none"}, "ifd": {"by": "ifd", "size": 1, "score": score}}
    out, starts = tmp_path / "run", tmp_path / "bin" / "starts"
    run(Experiment.model_validate(asked), out, until="judge")
    for line in starts.read_text().splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split()[0]), 0)
    assert len(starts.read_text().splitlines()) == 2, "one for the scores, one for the judge"
    (verdicts,) = (out / "verdicts").glob("*/verdicts.jsonl")
    reviews = [one for line in verdicts.open() for one in json.loads(line)["reviews"]]
    assert len(reviews) == 6 and {review["preferred"] for review in reviews} == {"first"}
    run(Experiment.model_validate(asked), out, until="judge")
    assert len(starts.read_text().splitlines()) == 2, "all is done"


@pytest.mark.models
@pytest.mark.slow
def test_a_run_with_a_server_finds_what_one_with_transformers_does(tiny_model, tmp_path, monkeypatch):
    pytest.importorskip("trl", reason="needs the train extra")
    rows = [{"prompt": f"Say {i}.", "response": "the tree " * (i % 7 + 1)} for i in range(20)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_command(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    generate = {"max_new_tokens": 6, "batch_size": 2}
    served = {"engine": "vllm", "server": "auto", "server_wait": 100, **generate}
    out, starts = tmp_path / "run", tmp_path / "bin" / "starts"

    def found(kind: str) -> dict[str, list]:
        files = {arm: out / kind / arm / f"{kind}.jsonl" for arm in ("base", "longest")}
        return {arm: [json.loads(line) for line in file.open()] for arm, file in files.items()}

    with_server = experiment(tmp_path, tiny_model, generate=served, loss_engine="vllm")
    run(with_server, out, until="generate")
    answers, losses = found("answers"), found("losses")
    (start,) = starts.read_text().splitlines()
    assert "longest=" in start, "one server has both"
    with pytest.raises(ProcessLookupError):
        os.kill(int(start.split()[0]), 0)
    manifest = json.loads((out / "answers" / "longest" / MANIFEST).read_text())
    assert manifest["facts"] == {"vllm": "0.0.local"}
    assert manifest["settings"]["engine"] == "vllm" and "server" not in manifest["settings"]

    run(with_server, out, until="generate")
    elsewhere = {**served, "server": "http://127.0.0.1:9", "server_wait": 5}
    run(experiment(tmp_path, tiny_model, generate=elsewhere, loss_engine="vllm"), out, until="generate")
    assert len(starts.read_text().splitlines()) == 1, "all is done, wherever the server is"

    run(experiment(tmp_path, tiny_model, generate=generate), out, until="generate")
    assert found("answers") == answers
    for arm, here in found("losses").items():
        assert [one["value"] for one in losses[arm]] == pytest.approx([o["value"] for o in here], abs=1e-4)
