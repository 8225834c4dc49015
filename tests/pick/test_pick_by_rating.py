"""``by: llm-rating`` through the whole selection: the best rated rows, a reason for the rest, and no reply paid for twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from handpicked.config import ScoreSettings, SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, MissingPart
from handpicked.pick import pick
from local_endpoint import Act, local_endpoint


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))


def pool_file(tmp_path):
    rows = [{"instruction": f"question {i}", "input": "", "output": f"answer {i}."} for i in range(12)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "pool.jsonl")


def by_number(body, _):
    """Rates answer i with i modulo 6; answer 11 gets no clear rating."""
    number = int(body["messages"][-1]["content"].split("answer ")[1].split(".")[0])
    return Act("good" if number == 11 else f"Score: {number % 6}/5\nBecause.")


def test_the_best_rated_rows_are_kept_and_another_size_asks_for_nothing_again(tmp_path):
    pool = read(pool_file(tmp_path))
    with local_endpoint(by_number) as server:
        score = ScoreSettings(model="m", base_url=server.url, price_in=1.0, price_out=1.0)
        told: list[str] = []
        summary = pick(
            pool, SelectSettings(by="llm-rating", size=3, score=score), tmp_path / "out", say=told.append
        )
        assert len(server.bodies) == 12
        more = score.model_copy(update={"concurrency": 2})
        pick(pool, SelectSettings(by="llm-rating", size=5, score=more), tmp_path / "out5")
        assert len(server.bodies) == 12
    assert any("12 requests to http://127.0.0.1" in line and "US dollars" in line for line in told)
    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [row["row"] for row in scores if row["kept"]] == [4, 5, 10]
    assert [row["llm-rating"] for row in scores if row["kept"]] == [4.0, 5.0, 4.0]
    assert scores[11]["llm-rating"] is None
    assert "no line holds a rating: 'good'" in str(scores[11])
    assert (summary.kept, summary.pool) == (3, 12)


def test_mistakes_and_a_missing_key_are_told_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    pool = read(pool_file(tmp_path))

    def select(**score):
        pick(pool, SelectSettings(by="llm-rating", size=3, score=ScoreSettings(**score)), tmp_path / "out")

    with pytest.raises(ConfigError, match=r"score\.model: llm-rating needs the name of the model"):
        select()
    with pytest.raises(MissingPart, match="OPENAI_API_KEY is not set"):
        select(model="m", base_url="https://api.example.com/v1")
    with pytest.raises(ConfigError, match=r"score\.compile: 'llm-rating' does not use this setting"):
        select(model="m", base_url="http://localhost:1/v1", compile=True)


def test_it_works_from_the_command_line(tmp_path):
    with local_endpoint(by_number) as server:
        words = ["score", pool_file(tmp_path), "--scorer", "llm-rating", "--model", "m"]
        words += [
            "--set",
            f"score.base_url={server.url}",
            "--set",
            "score.dimension=clarity",
            "-o",
            str(tmp_path / "out"),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "handpicked", *words],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Rate the clarity of the response" in server.asked[0]
    ratings = pq.read_table(tmp_path / "out" / "scores.parquet")["llm-rating"].to_pylist()
    assert ratings == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, None]
