"""Ratings by a chat model, from a real local server that misbehaves: nothing made up, nothing
lost, nothing paid twice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.data import read
from handpicked.errors import ConfigError, EndpointError, MissingPart
from handpicked.progress import SILENT
from handpicked.scorers.lm.rating import read_rating
from handpicked.scorers.model import llm_rating
from handpicked.scorers.model.llm_rating import LLMRating
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer
from local_endpoint import Act, local_endpoint
from memory_pool import MemoryPool


def pool(count: int = 10) -> MemoryPool:
    return MemoryPool([{"prompt": f"question {i}?", "response": f"answer {i}."} for i in range(count)])


def rated(scorer: LLMRating, of, work: Path, rows=None) -> pa.Table:
    work.mkdir(exist_ok=True)
    scorer.score(of, rows, work, SILENT)
    with pa.memory_map(str(work / SCORES)) as source:
        return pa.ipc.open_file(source).read_all()


def at(server, tmp_path, **fields) -> LLMRating:
    return LLMRating(model="m", base_url=server.url, cache=str(tmp_path / "c.sqlite"), **fields)


def number_in(body) -> int:
    """The row that a request is about."""
    return int(body["messages"][-1]["content"].split("answer ")[1].split(".")[0])


# -- what a reply says
# -------------------------------------------------------------------------------------------------

CLEAR = {
    "4.5": 4.5,
    "4": 4.0,
    "0": 0.0,
    "5": 5.0,
    "4.0": 4.0,
    "4,5": 4.5,
    "4½": 4.5,
    "Score: 4.5/5": 4.5,
    "**4.5**\n\nIt lists 3 of the 5 reasons.": 4.5,
    "Accuracy: 4.5 out of 5": 4.5,
    "[[3.5]]": 3.5,
    "4.5 / 5.0": 4.5,
    "4.5.": 4.5,
    '{"score": 4.5}': 4.5,
    "4\n1. It is true.\n2. It is short.": 4.0,
    "I would give it 4 out of 5, because it is right.": 4.0,
    "<think>A 2, or 3?</think>\n4.5": 4.5,
    "Score: 4<|im_end|>\n<|im_start|>user\nScore: 1": 4.0,
    "<|channel|>analysis<|message|>Score: 1<|end|><|start|>assistant<|channel|>final<|message|>Score: 4": 4.0,
}
UNCLEAR = {
    "": "an empty reply",
    "  \n": "an empty reply",
    "5.5": "outside 0 to 5",
    "-1": "outside 0 to 5",
    "10/5": "outside 0 to 5",
    "4.25": "between the half points",
    "4, 5": "several numbers (4, 5)",
    "4 5": "several numbers (4, 5)",
    "4-5": "several numbers (4, 5)",
    "4.5/10": "several numbers (4.5, 10)",
    "3\n4": "several numbers (3, 4)",
    "3/5 for form and 4/5 for content": "several numbers (3, 4)",
    "It names 3 causes.": "no line holds a rating",
    "four and a half": "no line holds a rating",
    "90%": "no line holds a rating",
    "I cannot rate this.": "no line holds a rating",
    "<think>\nMaybe\nScore: 2\nbut wait, it": "ends within its thought",
    "<think>A 2?</think><think>Or\n3\n": "ends within its thought",
}


@pytest.mark.parametrize(("reply", "value"), CLEAR.items())
def test_a_clear_rating_is_read_whole(reply, value):
    assert read_rating(reply, "accuracy") == (value, None)


@pytest.mark.parametrize(("reply", "why"), UNCLEAR.items())
def test_what_is_not_clear_has_no_rating_and_a_reason(reply, why):
    value, reason = read_rating(reply, "accuracy")
    assert value is None
    assert why in str(reason)


def test_a_rating_that_may_have_been_cut_is_none():
    assert read_rating("4", "accuracy", finished=False)[0] is None
    assert read_rating("4\nbecause it", "accuracy", finished=False) == (4.0, None)


@given(st.text(max_size=80))
def test_any_reply_gives_a_half_point_of_the_scale_or_a_reason(reply):
    value, reason = read_rating(reply, "accuracy")
    assert (value is None) == (reason is not None)
    assert value is None or (0 <= value <= 5 and value * 2 == int(value * 2))


@given(
    st.integers(0, 10).map(lambda n: n / 2),
    st.sampled_from(["{}", "Rating: {}", "{}/5", "*{}*\nbecause 7 of 9"]),
)
def test_every_half_point_is_read_back(value, form):
    assert read_rating(form.format(f"{value:g}"), "accuracy") == (value, None)


# -- scoring a pool
# ----------------------------------------------------------------------------------------------------


def test_it_is_a_pool_scorer_and_shows_the_model_instruction_response_and_dimension(tmp_path):
    with local_endpoint(lambda *_: Act("4.5\nIt is right.")) as server:
        scorer = at(server, tmp_path, dimension="helpfulness")
        table = rated(scorer, pool(3), tmp_path / "w")
    assert isinstance(scorer, PoolScorer)
    assert table.column_names == ["row", *scorer.values, "reason"]
    assert table["llm-rating"].to_pylist() == [4.5] * 3
    shown = server.asked[0]
    assert all(text in shown for text in ("question 0?", "answer 0.", "Rate the helpfulness of the response"))
    assert server.bodies[0]["temperature"] == 0


def test_failures_and_nonsense_are_null_with_the_reason_and_every_reply_is_kept(tmp_path):
    acts = {
        0: Act("4.5"),
        1: Act(""),
        2: Act("I liked it."),
        3: Act("7"),
        4: Act("3, 4"),
        5: Act(status=400),
        6: Act("2", finish="length"),
    }
    with local_endpoint(lambda body, _: acts[number_in(body)]) as server:
        table = rated(at(server, tmp_path), pool(7), tmp_path / "w")
    assert table["llm-rating"].to_pylist() == [4.5, None, None, None, None, None, None]
    reasons = table["reason"].to_pylist()
    assert reasons[0] is None
    for reason, why in zip(
        reasons[1:],
        ("empty reply", "no line holds", "outside 0 to 5", "several numbers", "HTTP 400", "was cut"),
        strict=True,
    ):
        assert why in reason
    kept = [json.loads(line) for line in (tmp_path / "w" / "replies.jsonl").read_text().splitlines()]
    assert [line["reply"] for line in kept] == ["4.5", "", "I liked it.", "7", "3, 4", None, "2"]


@pytest.mark.parametrize(
    "fault",
    [
        Act(status=429, headers={"Retry-After": "0.05"}),
        Act(status=500),
        Act(body=b'{"choices": [{"mess'),
        Act(cut=True),
    ],
    ids=["429", "500", "half a JSON", "nothing"],
)
def test_a_passing_fault_costs_no_rating(tmp_path, fault):
    with local_endpoint(lambda body, n: fault if n == 2 else Act(str(number_in(body) % 6))) as server:
        table = rated(at(server, tmp_path), pool(6), tmp_path / "w")
    assert table["llm-rating"].to_pylist() == [0, 1, 2, 3, 4, 5]
    assert len(server.bodies) == 7


def test_a_second_scoring_sends_nothing_and_another_dimension_or_prompt_is_another_request(tmp_path):
    prompt = tmp_path / "mine.txt"
    prompt.write_text("{prompt} {response}: {dimension}?")
    with local_endpoint(lambda *_: Act("3")) as server:
        first = rated(at(server, tmp_path), pool(4), tmp_path / "w")
        again = rated(at(server, tmp_path, concurrency=1), pool(4), tmp_path / "w2")
        assert (len(server.bodies), again.equals(first)) == (4, True)
        rated(at(server, tmp_path, dimension="clarity"), pool(4), tmp_path / "w3")
        rated(at(server, tmp_path, prompt=str(prompt)), pool(4), tmp_path / "w4")
    assert len(server.bodies) == 12
    assert server.asked[-1].endswith(": accuracy?")
    assert (
        len(
            {
                at(server, tmp_path, **kind).identity()
                for kind in ({}, {"dimension": "x"}, {"prompt": str(prompt)})
            }
        )
        == 3
    )


def test_only_the_rows_asked_for_are_rated_whatever_the_order_of_replies_and_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(llm_rating, "CHUNK", 3)
    with local_endpoint(lambda b, n: Act(str(number_in(b) % 6), delay=0.02 * (n % 3))) as server:
        table = rated(at(server, tmp_path), pool(20), tmp_path / "w", rows=[1, 4, 5, 9, 15])
    assert table["row"].to_pylist() == [1, 4, 5, 9, 15]
    assert table["llm-rating"].to_pylist() == [1, 4, 5, 3, 3]


def test_long_texts_are_cut_and_counted_and_empty_responses_are_not_paid_for(tmp_path):
    rows = [{"prompt": "q", "response": "x" * 130}, {"prompt": "q", "response": "  "}]
    with local_endpoint(lambda *_: Act("1")) as server:
        table = rated(at(server, tmp_path, max_chars=100), MemoryPool(rows), tmp_path / "w")
    assert table["llm-rating"].to_pylist() == [1.0, None]
    assert table["llm-rating_cut_characters"].to_pylist() == [30.0, 0.0]
    assert table["reason"].to_pylist() == [None, "the response is empty"]
    assert "[cut here after 100 of 130 characters]" in server.asked[0]
    assert len(server.bodies) == 1


def test_kill_9_in_the_middle_pays_for_nothing_twice(tmp_path):
    with local_endpoint(lambda b, _: Act(str(number_in(b) % 6), delay=0.05)) as server:
        code = f"""
            import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
            from pathlib import Path
            from test_llm_rating import *
            rated(LLMRating(model="m", base_url={server.url!r}, cache={str(tmp_path / "c.sqlite")!r}, concurrency=4),
                  pool(120), Path({str(tmp_path / "w")!r}))
        """
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        while len(server.bodies) < 30:
            assert child.poll() is None
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        time.sleep(0.2)
        table = rated(at(server, tmp_path, concurrency=4), pool(120), tmp_path / "w")
        assert 120 <= len(server.bodies) <= 124  # only what was in flight is sent again
    assert table["llm-rating"].to_pylist() == [i % 6 for i in range(120)]


def test_the_cost_is_reported_first_and_never_passed_over_all_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(llm_rating, "CHUNK", 5)
    prices = {
        "price_in": 0.0,
        "price_out": 1e6 / 128,
        "concurrency": 1,
    }  # at most 1 dollar a request, 5/128 in truth
    with local_endpoint(lambda *_: Act("3")) as server:
        expected = at(server, tmp_path, **prices).estimate(pool(20), None)
        assert expected.sentence.startswith("20 requests to http://127.0.0.1")
        assert "0.00 to 20.00 US dollars" in expected.sentence
        assert expected.usd == pytest.approx(20) and expected.seconds == 20 * 4
        assert expected.endpoint, "more devices here do not make it faster"
        assert at(server, tmp_path).estimate(pool(20), None).usd is None, "prices are unknown"
        assert not server.bodies
        with pytest.raises(EndpointError, match=r"max_cost = 1\.2 US dollars is reached"):
            rated(at(server, tmp_path, max_cost=1.2, **prices), pool(20), tmp_path / "w")
        assert len(server.bodies) == 6  # 6 * 5 / 128 dollars are spent, and another could have cost 1
        assert rated(at(server, tmp_path, **prices), pool(20), tmp_path / "w")["llm-rating"].null_count == 0
        assert len(server.bodies) == 20
        cost = json.loads((tmp_path / "w" / FACTS).read_text())["cost"]
        assert cost == pytest.approx(20 * 5 / 128), "what all replies cost, those of the cache included"


def test_mistakes_are_reported_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="needs the name of the rating model"):
        LLMRating().identity()
    away = LLMRating(model="m", base_url="https://api.example.com/v1")
    with pytest.raises(MissingPart, match="OPENAI_API_KEY is not set"):
        rated(away, pool(1), tmp_path / "w")
    with pytest.raises(ConfigError, match=r"nowhere\.txt cannot be read"):
        LLMRating(model="m", prompt="nowhere.txt").identity()
    (tmp_path / "p.txt").write_text("Rate {response}.")
    with pytest.raises(ConfigError, match=r"lacks \{prompt\}, \{dimension\}"):
        LLMRating(model="m", prompt=str(tmp_path / "p.txt")).identity()
    with pytest.raises(ConfigError, match="is not an address"):
        LLMRating(model="m", base_url="localhost:8000").identity()


@pytest.mark.data
def test_published_ratings_come_back_exactly_and_rank_the_same_rows_first(tmp_path, real_data):
    """The 1,000 Alpaca rows that Long Is More kept with ChatGPT's ratings: a server that
    gives those, in many forms.
    """
    published = read(str(real_data / "selected" / "long_is_more_alpaca_1k_score.parquet"))
    forms = ["{}", "{}\nIt is right.", "Score: {}/5", "**{}**", "Accuracy: {} out of 5."]
    truth = {e.row: float(e.original["score"]) for e in published.examples()}
    by_text = {e.response: truth[e.row] for e in published.examples()}

    def rate(body, count):
        shown = body["messages"][-1]["content"].split(" RESPONSE ", 1)[1].split("\n", 1)[1]
        return Act(forms[count % len(forms)].format(by_text[shown.split("\n====")[0]]))

    with local_endpoint(rate) as server:
        table = rated(at(server, tmp_path), published, tmp_path / "w")
    assert dict(zip(table["row"].to_pylist(), table["llm-rating"].to_pylist(), strict=True)) == truth
    assert sum(value == 5.0 for value in table["llm-rating"].to_pylist()) == 11


def test_the_cost_is_told_without_a_key(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    scorer = LLMRating(model="gpt-4o", price_in=2.5, price_out=10, cache=str(tmp_path / "c.sqlite"))
    told = scorer.estimate(pool(20), None).sentence
    assert told.startswith("20 requests to https://api.openai.com/v1 (gpt-4o)") and "US dollars" in told
    assert "Missing: No key for https://api.openai.com/v1" in told
    with pytest.raises(MissingPart, match="No key"):
        scorer.identity()
