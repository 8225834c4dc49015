"""``handpicked judge --batch``: one command, run until it is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from handpicked.judge import load_judge
from handpicked.judge.answers import pair_up, read_answers
from handpicked.judge.ask import all_requests
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
        second = handpicked(*command, "--batch")
        assert (second.returncode, "in_progress" in second.stderr) == (75, True)
        server.status = "completed"
        third = handpicked(*command, "--batch", "--json")
        assert third.returncode == 0, third.stderr
        judged = json.loads(third.stdout)["judges"][0]
        assert judged["comparisons"][0]["strict"]["counts"]["win"] == 5
        assert len(server.made) == 1
        calls = len(server.calls)
        assert handpicked(*command).returncode == 0  # everything paid for is cached: no batch, no call
        assert len(server.calls) == calls
    pairs = pair_up(read_answers(tmp_path / "a.jsonl"), read_answers(tmp_path / "b.jsonl")).pairs
    assert len(all_requests(pairs, load_judge("scores"))) == 10
    assert len((out / "verdicts.jsonl").read_text().splitlines()) == 5


def test_a_judge_that_asks_no_endpoint_has_nothing_to_batch(tmp_path):
    a, b = answers(tmp_path)
    done = handpicked("judge", a, b, "--batch-write", "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "asks no endpoint" in done.stderr
