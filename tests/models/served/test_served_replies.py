"""Judges and ratings by a model that vLLM serves for them: started when a reply is missing, asked as any
endpoint is, and gone afterwards.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handpicked.config import JudgeSettings, ServerSettings
from handpicked.errors import ConfigError, MissingPart, WorkerError
from handpicked.experiment.planning.judge_plan import judge_plan
from handpicked.judges import judge
from handpicked.models.served import client
from handpicked.progress import SILENT
from handpicked.records import Pair
from handpicked.scorers.model.llm_rating import REPLIES, LLMRating
from handpicked.scorers.pool_scorer import SCORES, read_scores
from handpicked.selection.methods import scorers_for
from handpicked.settings import score_settings
from local_vllm import gone, write_command
from memory_pool import MemoryPool

PAIRS = [Pair(f"p{i}", f"Why {i}?", "x", "y", "because " * (i + 1), f"so {i}", "set") for i in range(6)]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Puts a ``vllm`` with faults on PATH; gives the file that counts its starts."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(client, "SHORT", 60.0)  # a busy machine is no failure

    def write(**faults: object) -> Path:
        write_command(tmp_path / "bin", **faults)
        return tmp_path / "bin" / "starts"

    return write


def processes(starts: Path) -> list[int]:
    return [int(line.split()[0]) for line in starts.read_text().splitlines()] if starts.exists() else []


def asked(log: Path) -> list[int]:
    """How many chat requests each server got that has written to ``log``."""
    return [part.count("POST /v1/chat") for part in log.read_text().split(" begins: ")[1:]]


def judged(tmp_path, tiny_model, pairs=PAIRS, **settings):
    by = JudgeSettings(
        name="letter-probability", model=str(tiny_model), **{"server": "auto", "server_wait": 400, **settings}
    )
    (tmp_path / "out").mkdir(exist_ok=True)
    return judge(pairs, by, tmp_path / "out" / "verdicts.jsonl", cache=tmp_path / "cache.sqlite")


def letters(raw: str) -> dict[str, float]:
    """The probabilities that a review kept, but for tokens that are no character by themselves."""
    return {token: value for token, value in json.loads(raw)["logprobs"].items() if token != "\ufffd"}


def test_a_served_judge_says_what_the_same_model_says_here(tiny_model, tmp_path, command):
    starts = command()
    there = judged(tmp_path, tiny_model)
    (server,) = processes(starts)
    assert gone(server) and asked(tmp_path / "out" / "vllm.log") == [2 * len(PAIRS)]
    assert f"serve {tiny_model} " in starts.read_text()
    here = judged(tmp_path, tiny_model, server=None)
    for mine, theirs in zip(here, there, strict=True):
        assert (theirs.strict, theirs.summed, theirs.judge) == (mine.strict, mine.summed, mine.judge)
        for one, other in zip(mine.reviews, theirs.reviews, strict=True):
            assert other.preferred == one.preferred and other.reason == one.reason
            mine_told, found = (letters(review.raw) for review in (one, other))
            assert found == pytest.approx(mine_told, abs=1e-3) and len(found) > 1
            assert other.cost == 0


def test_no_server_is_started_where_every_reply_is_known(tiny_model, tmp_path, command):
    starts = command()
    first = judged(tmp_path, tiny_model, PAIRS[:4])
    again = judged(tmp_path, tiny_model, PAIRS[:4])
    assert [one.strict for one in again] == [one.strict for one in first] and len(processes(starts)) == 1
    judged(tmp_path, tiny_model)
    assert asked(tmp_path / "out" / "vllm.log") == [8, 4], "only what is missing is paid for"
    judged(tmp_path, tiny_model, server_options=("--tensor-parallel-size=2",))
    assert len(processes(starts)) == 2, "how the work is spread changes no reply"


def rated(scorer: LLMRating, work: Path, count: int = 6) -> list[dict]:
    work.mkdir(exist_ok=True)
    rows = [{"prompt": f"question {i}?", "response": f"answer {i}."} for i in range(count)]
    scorer.score(MemoryPool(rows), None, work, SILENT)
    return read_scores(work).to_pylist()


def rater(tiny_model, tmp_path, **serving) -> LLMRating:
    there = ServerSettings(**{"server": "auto", "server_wait": 400, **serving})
    return LLMRating(str(tiny_model), serving=there, cache=str(tmp_path / "cache.sqlite"))


def test_ratings_by_a_served_model_survive_what_the_server_does(tiny_model, tmp_path, command):
    starts = command(says="Score: 4.5/5", refuses=1, busy=1, garbage=1, cuts=1)
    scorer = rater(tiny_model, tmp_path)
    assert [one["llm-rating"] for one in rated(scorer, tmp_path / "a")] == [4.5] * 6
    assert all(map(gone, processes(starts))) and asked(tmp_path / "a" / "vllm.log") == [6 + 4]
    assert [one["llm-rating"] for one in rated(scorer, tmp_path / "b")] == [4.5] * 6
    assert len(processes(starts)) == 1, "every reply is in the cache, wherever the server was"
    kept = [json.loads(line) for line in (tmp_path / "a" / REPLIES).read_text().splitlines()]
    assert {line["reply"] for line in kept} == {"Score: 4.5/5"}


def test_a_server_that_dies_in_the_middle_is_quoted_and_nothing_is_paid_twice(tiny_model, tmp_path, command):
    starts = command(says="3", dies_after=3)
    with pytest.raises(WorkerError, match=r"RuntimeError: the engine core died.*Finished work is kept"):
        rated(rater(tiny_model, tmp_path), tmp_path / "work")
    assert not (tmp_path / "work" / SCORES).exists() and all(map(gone, processes(starts)))
    with sqlite3.connect(tmp_path / "cache.sqlite") as cache:
        ((kept,),) = cache.execute("SELECT count(*) FROM replies")
    command(says="3")
    assert [one["llm-rating"] for one in rated(rater(tiny_model, tmp_path), tmp_path / "work")] == [3.0] * 6
    _, second = asked(tmp_path / "work" / "vllm.log")
    assert kept in (1, 2, 3) and second == 6 - kept


def test_a_server_that_cannot_start_is_quoted(tiny_model, tmp_path, command):
    command(dies=True)
    with pytest.raises(WorkerError, match=r"exit code 1: .*ValueError: No room for the KV cache"):
        judged(tmp_path, tiny_model)
    assert not (tmp_path / "out" / "verdicts.jsonl").exists()


def test_the_rater_is_named_by_its_content_and_not_by_its_address(tiny_model, tmp_path, command):
    command()
    scorer = rater(tiny_model, tmp_path)
    named = scorer.identity()
    assert named.startswith("sha256:") and "float32, by vLLM, accuracy, prompt " in named
    spread = rater(tiny_model, tmp_path, server_options=("--max-num-seqs=4",))
    assert spread.identity() == named
    other = rater(tiny_model, tmp_path, server_options=("--quantization=fp8",))
    assert "by vLLM --quantization=fp8, accuracy" in other.identity(), "its replies are kept apart"
    (by_settings,) = scorers_for(["llm-rating"], score_settings({"model": str(tiny_model), "server": "auto"}))
    assert by_settings.identity() == named
    assert (
        "a vLLM server that is started here"
        in scorer.estimate(MemoryPool([{"prompt": "a", "response": "b"}]), None).sentence
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"server": "http://gpu:8000"}, "is not auto.*The address of a server .* goes into base_url"),
        ({"server": "auto", "base_url": "http://a/v1"}, "leave one of them out"),
        ({"server": None, "server_python": "p"}, "server_python: is for a server that is started here"),
        ({"server": "auto", "batch": True}, "no batch files"),
        ({"server": "auto", "model": None}, "model"),
    ],
)
def test_settings_that_mean_nothing_together_are_named(settings, said, tmp_path):
    by = JudgeSettings(**{"name": "scores", "model": "m", **settings})
    with pytest.raises(ConfigError, match=said):
        judge(PAIRS, by, tmp_path / "verdicts.jsonl", cache=tmp_path / "cache.sqlite")
    with pytest.raises(ConfigError, match=said):
        judge_plan(PAIRS, [by])
    rating = {name: value for name, value in settings.items() if name != "batch"}
    if rating == settings:
        with pytest.raises(ConfigError, match="score.*model" if "model" in settings else said):
            scorers_for(["llm-rating"], score_settings({"model": "m", **rating}))[0].identity()


def test_a_vllm_that_is_not_there_is_named_before_anything_is_sent(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match=r"no 'vllm' on PATH.*server_python"):
        rater(tiny_model, tmp_path).identity()
    by = JudgeSettings(name="scores", model=str(tiny_model), server="auto")
    assert "no 'vllm' on PATH" in judge_plan(PAIRS, [by]).judges[0].missing


@pytest.mark.slow
def test_a_killed_judge_ends_its_server_and_pays_for_nothing_twice(tiny_model, tmp_path, command):
    """Killed by a signal that cannot be caught; then run again."""
    starts = command()
    for name in ("a", "b"):
        rows = [{"instruction": f"Why {i}?", "output": f"{name} {i}", "generator": name} for i in range(60)]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    line = [
        *(sys.executable, "-m", "handpicked", "judge", str(tmp_path / "a.json"), str(tmp_path / "b.json")),
        *("--judge", "letter-probability", "--model", str(tiny_model), "--server", "auto"),
        *("--concurrency", "2", "-o", str(tmp_path / "out")),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = tmp_path / "out" / "vllm.log"
    while not log.exists() or sum(asked(log)) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    again = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert "pairs" in again.stdout + again.stderr, again.stderr
    first, second = asked(log)
    assert first < 120 and 120 <= first + second <= 122, "but for the two that were on their way"
    until = time.monotonic() + 30
    while not all(map(gone, processes(starts))) and time.monotonic() < until:
        time.sleep(0.05)
    assert all(map(gone, processes(starts)))
