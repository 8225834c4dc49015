"""``handpicked judge --batch``: one command, run until it is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from handpicked.config import Experiment
from handpicked.errors import NotYet
from handpicked.experiment.job import Job, Measured
from handpicked.experiment.judge_arms import judge_arms
from handpicked.experiment.lineup import lineup
from handpicked.judges import load_judge
from handpicked.judges.answers import pair_up, read_answers
from handpicked.judges.ask import all_requests
from handpicked.progress import SILENT
from handpicked.records import Completion, Message, Prompt
from handpicked.store import Stage, open_run
from local_batches import answered, local_batches


def handpicked(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


def answers(tmp_path):
    files = []
    for name, text in (("a", "good"), ("b", "bad")):
        file = tmp_path / f"{name}.jsonl"
        file.write_text(
            "".join(json.dumps({"prompt": f"question {i}", "answer": text}) + "\n" for i in range(5))
        )
        files.append(str(file))
    return files


def test_the_same_command_writes_submits_waits_and_finishes(tmp_path):
    a, b = answers(tmp_path)
    out = tmp_path / "out"

    def scored(row):
        shown = row["body"]["messages"][-1]["content"]
        return answered(row, "9 2" if shown.index("good") < shown.index("bad") else "2 9")

    with local_batches(scored) as server:
        command = (
            "judge",
            a,
            b,
            "--judge",
            "scores",
            "--model",
            "m",
            "--base-url",
            server.url,
            "-o",
            str(out),
        )
        written = handpicked(*command, "--batch-write")
        assert written.returncode == 0, written.stderr
        assert written.stdout.strip().endswith("batches/scores-m/requests-001.jsonl")
        assert not server.calls
        first = handpicked(*command, "--batch")
        assert first.returncode == 75
        assert "10 requests were submitted" in first.stderr
        assert not (out / "verdicts.jsonl").exists()
        server.status = "completed"
        third = handpicked(*command, "--batch", "--json")
        assert third.returncode == 0, third.stderr
        judged = json.loads(third.stdout)["judges"][0]
        assert judged["comparisons"][0]["strict"]["counts"]["win"] == 5
        assert len(server.made) == 1
    pairs = pair_up(read_answers(tmp_path / "a.jsonl"), read_answers(tmp_path / "b.jsonl")).pairs
    assert len(all_requests(pairs, load_judge("scores"))) == 10
    assert len((out / "verdicts.jsonl").read_text().splitlines()) == 5


def test_a_judge_that_asks_no_endpoint_has_nothing_to_batch(tmp_path):
    a, b = answers(tmp_path)
    done = handpicked("judge", a, b, "--batch-write", "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "asks no endpoint" in done.stderr


def test_in_an_experiment_every_judge_submits_and_the_run_goes_on_when_all_are_done(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))
    asked = [Prompt(f"{i:032x}", (Message("user", f"question {i}"),), "koala") for i in range(4)]
    stage = Stage("answers", tmp_path, "f", 0.0, True)
    said = {"longest": "good", "random": "bad"}
    answered_by = {
        arm: Measured([Completion(arm, p.prompt_id, text, None, True) for p in asked], arm, stage)
        for arm, text in said.items()
    }
    with local_batches(lambda row: answered(row, "7 7")) as server:
        judge = {"name": "scores", "base_url": server.url, "batch": True}
        experiment = Experiment.model_validate(
            {
                "name": "x",
                "pool": {"path": "x.jsonl"},
                "arms": {arm: {"by": arm, "size": 1} for arm in said},
                "evaluate": {"judges": [{**judge, "model": "one"}, {**judge, "model": "two"}]},
            }
        )

        def verdicts():
            with open_run(tmp_path / "run") as store:
                return judge_arms(Job(store, lineup(experiment), SILENT), asked, answered_by)

        with pytest.raises(NotYet) as submitted:
            verdicts()
        assert len(str(submitted.value).splitlines()) == len(server.made) == 2
        with pytest.raises(NotYet, match="in_progress"):
            verdicts()
        server.status = "completed"
        found = verdicts()
        assert [len(measured.records) for measured in found.values()] == [4, 4]
        calls = len(server.calls)
        assert [m.stage.skipped for m in verdicts().values()] == [True, True]
        assert (len(server.calls), len(server.made)) == (calls, 2)
    assert (tmp_path / "run" / "batches" / "scores-one" / "batches.json").is_file()
