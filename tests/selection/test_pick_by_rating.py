"""``by: llm-rating`` through the whole selection: the best rated rows, a reason for the rest,
and no reply paid for twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from handpicked.config import ScoreSettings, SelectSettings
from handpicked.data import read
from handpicked.endpoint import Retry
from handpicked.errors import ConfigError, MissingPart
from handpicked.selection import pick
from handpicked.selection.execution import Execution
from handpicked.selection.scoring import score_into
from local_endpoint import Act, local_endpoint


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDPICKED_CACHE", str(tmp_path / "cache"))


def pool_file(tmp_path):
    rows = [{"instruction": f"question {i}", "input": "", "output": f"answer {i}."} for i in range(12)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "pool.jsonl")


def number_in(body):
    return int(body["messages"][-1]["content"].split("answer ")[1].split(".")[0])


def by_number(body, _):
    """Rates answer i with i modulo 6; answer 11 gets no clear rating."""
    number = number_in(body)
    return Act("good" if number == 11 else f"Score: {number % 6}/5\nBecause.")


def test_the_best_rated_rows_are_kept_and_another_size_asks_for_nothing_again(tmp_path):
    pool = read(pool_file(tmp_path))
    with local_endpoint(by_number) as server:
        score = ScoreSettings(model="m", base_url=server.url, price_in=1.0, price_out=1.0)
        found: list[str] = []
        summary = pick(
            pool,
            SelectSettings(by="llm-rating", size=3, score=score),
            tmp_path / "out",
            execution=Execution(say=found.append),
        )
        assert len(server.bodies) == 12
        more = score.model_copy(update={"concurrency": 2})
        pick(pool, SelectSettings(by="llm-rating", size=5, score=more), tmp_path / "out5")
        assert len(server.bodies) == 12
    assert any("12 requests to http://127.0.0.1" in line and "US dollars" in line for line in found)
    scores = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [row["row"] for row in scores if row["kept"]] == [4, 5, 10]
    assert [row["llm-rating"] for row in scores if row["kept"]] == [4.0, 5.0, 4.0]
    assert scores[11]["llm-rating"] is None
    assert "no line holds a rating: 'good'" in str(scores[11])
    assert (summary.kept, summary.pool) == (3, 12)


def test_mistakes_and_a_missing_key_are_reported_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    pool = read(pool_file(tmp_path))

    def select(**score):
        pick(pool, SelectSettings(by="llm-rating", size=3, score=ScoreSettings(**score)), tmp_path / "out")

    with pytest.raises(ConfigError, match=r"score\.model: llm-rating needs the name of the rating model"):
        select()
    with pytest.raises(MissingPart, match="OPENAI_API_KEY is not set"):
        select(model="m", base_url="https://api.example.com/v1")
    with pytest.raises(ConfigError, match=r"score\.compile: 'llm-rating' has no such setting"):
        select(model="m", base_url="http://localhost:1/v1", compile=True)


LASTING = {
    "500": Act(status=500),
    "429": Act(status=429, headers={"Retry-After": "0.01"}),
    "half a JSON": Act(body=b'{"choices": [{"mess'),
    "an empty body": Act(body=b""),
    "cut": Act(cut=True),
    "nothing": Act(silent=True),
    "slow": Act(delay=5),
}


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_a_lost_row_is_null_until_the_same_command_asks_for_it_alone_again(tmp_path, monkeypatch, fault):
    monkeypatch.setattr(Retry, "pause", lambda *_: 0.01)
    pool, sick, found = read(pool_file(tmp_path)), {3}, []

    def act(body, count):
        if number_in(body) == 7:
            return Act(status=400)  # not to be asked again: it is the request that is wrong
        return fault if number_in(body) in sick else by_number(body, count)

    def rate():
        settings = ScoreSettings(model="m", base_url=server.url, timeout=0.3)
        before = len(server.bodies)
        counts = score_into(
            pool, ["llm-rating"], tmp_path / "out", settings=settings, execution=Execution(say=found.append)
        )
        table = pq.read_table(tmp_path / "out" / "scores.parquet")
        return counts, table["llm-rating"].to_pylist(), [number_in(b) for b in server.bodies[before:]]

    with local_endpoint(act) as server:
        counts, ratings, sent = rate()
        assert ratings == [0, 1, 2, None, 4, 5, 0, None, 2, 3, 4, None]
        assert any("times" in reason for reason in counts["reasons"]["llm-rating"])
        assert sorted(set(sent)) == list(range(12))

        found.clear()
        counts, ratings, sent = rate()
        assert ratings == [0, 1, 2, None, 4, 5, 0, None, 2, 3, 4, None]  # kept, though the endpoint fails
        assert set(sent) == {3}
        assert found[0].startswith("llm-rating: requests the replies again that were lost last time (1)")
        assert "llm-rating: stays as it is" in found[1]

        sick.clear()
        (tmp_path / "cache" / "requests.sqlite").unlink()  # the ratings that are there need it no more
        counts, ratings, sent = rate()
        assert ratings == [0, 1, 2, 3, 4, 5, 0, None, 2, 3, 4, None]
        assert sent == [3]

        found.clear()
        assert rate()[1:] == (ratings, [])
        assert found == []


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "handpicked", *map(str, words)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )


def rating_of(tmp_path, server, *more):
    words = ["score", pool_file(tmp_path), "--scorer", "llm-rating", "--model", "m"]
    return command(*words, "--set", f"score.base_url={server.url}", "-o", tmp_path / "out", *more)


def ratings_in(tmp_path):
    return pq.read_table(tmp_path / "out" / "scores.parquet")["llm-rating"].to_pylist()


def test_it_works_from_the_command_line(tmp_path):
    with local_endpoint(by_number) as server:
        done = rating_of(tmp_path, server, "--set", "score.dimension=clarity")
        assert done.returncode == 0, done.stderr
        assert "Rate the clarity of the response" in server.asked[0]
    assert ratings_in(tmp_path) == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, None]


def test_an_endpoint_that_misbehaves_for_a_while_costs_no_rating(tmp_path):
    first = {name: fault for name, fault in enumerate(LASTING.values()) if fault.delay == 0}
    met = set()

    def act(body, count):
        number = number_in(body)
        if number == 8:
            return Act("")
        passing = number in first and number not in met
        met.add(number)
        return first[number] if passing else by_number(body, count)

    with local_endpoint(act) as server:
        done = rating_of(tmp_path, server)
    assert done.returncode == 0, done.stderr
    assert ratings_in(tmp_path) == [0, 1, 2, 3, 4, 5, 0, 1, None, 3, 4, None]
    assert len(server.bodies) == 12 + len(first)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["reasons"]["llm-rating"]["an empty reply"] == 1


def test_a_missing_key_is_one_line_and_nothing_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with local_endpoint(by_number) as server:
        away = f"score.base_url=http://0.0.0.0:{server.port}/v1"  # this machine, by a name that needs a key
        done = rating_of(tmp_path, server, "--set", away)
        assert (done.returncode, done.stdout, server.bodies) == (2, "", [])
        assert done.stderr.startswith("handpicked: ") and done.stderr.count("\n") == 1, done.stderr
        assert "OPENAI_API_KEY is not set" in done.stderr and not (tmp_path / "out").exists()
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        assert rating_of(tmp_path, server, "--set", away).returncode == 0
        assert len(server.bodies) == 12


@pytest.mark.parametrize("verb", ["score", "select"])
def test_max_cost_is_an_option_and_stops_the_requests(tmp_path, verb):
    words = {"score": ["--scorer", "llm-rating"], "select": ["--by", "llm-rating", "--size", "2"]}[verb]
    dollar = ["--set", "score.price_in=0", "--set", f"score.price_out={1e6 / 128}"]  # a request, at most
    with local_endpoint(lambda body, n: Act(by_number(body, n).text, usage=None)) as server:
        words += ["--model", "m", "--set", f"score.base_url={server.url}", "--set", "score.concurrency=1"]
        done = command(verb, pool_file(tmp_path), *words, *dollar, "--max-cost", 3.5, "-o", tmp_path / "out")
        assert done.returncode == 2, done.stderr
        assert "max_cost = 3.5 US dollars is reached" in done.stderr and "Traceback" not in done.stderr
        assert len(server.bodies) == 3
    wrong = command(verb, pool_file(tmp_path), *words, "--max-cost", "-1", "-o", tmp_path / "out")
    assert wrong.returncode == 2 and "score.max_cost" in wrong.stderr
