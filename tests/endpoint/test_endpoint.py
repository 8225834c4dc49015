"""Sending requests to a real server that misbehaves: nothing lost, nothing paid
twice, every failure counted.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.http_faults import FAULTS, serving_fault

from handpicked.config import JudgeSettings
from handpicked.endpoint import Reply, Request, Retry, complete, encoded, estimate, payload, request_key
from handpicked.endpoint.throttle import APART, Throttle
from handpicked.errors import ConfigError, EndpointError, MissingPart
from handpicked.records import Message
from local_endpoint import Act, local_endpoint

QUICK = Retry(first_pause=0.01, longest_pause=0.05)


def ask(text: str, **fields: object) -> Request:
    return Request((Message("user", text),), max_tokens=8, **fields)


def asks(count: int) -> list[Request]:
    return [ask(f"question {i}") for i in range(count)]


def at(server, **fields: object) -> JudgeSettings:
    return JudgeSettings(model="m", base_url=server.url, **fields)


def echo(body, _):
    return Act(f"re: {body['messages'][-1]['content']}")


def test_replies_come_in_the_order_of_the_requests_and_the_second_time_from_the_cache(tmp_path):
    with local_endpoint(echo) as server:
        first = complete(asks(50), at(server), tmp_path / "c.sqlite")
        again = complete(asks(50), at(server), tmp_path / "c.sqlite")
    assert [r.text for r in first] == [f"re: question {i}" for i in range(50)]
    assert [r.text for r in again] == [r.text for r in first]
    assert all(r.cached for r in again)
    assert len(server.bodies) == 50


def test_equal_requests_are_sent_once_and_any_difference_in_sampling_is_another_request(tmp_path):
    with local_endpoint(echo) as server:
        requests = [ask("q"), ask("q"), ask("q", seed=1), ask("q", temperature=1.0), ask("q", top_logprobs=5)]
        replies = complete(requests, at(server), tmp_path / "c.sqlite")
        complete([ask("q")], at(server).model_copy(update={"model": "other"}), tmp_path / "c.sqlite")
    assert len(replies) == 5
    assert len(server.bodies) == 5


@pytest.mark.parametrize("after", [None, "0.2", "date"])
def test_a_429_is_waited_out_and_halves_what_is_in_flight(tmp_path, after):
    moments: list[float] = []

    def act(body, count):
        moments.append(time.monotonic())
        if count <= 4:
            value = email.utils.formatdate(time.time() + 2, usegmt=True) if after == "date" else after
            return Act(status=429, headers={} if value is None else {"Retry-After": value})
        return replace(echo(body, count), delay=0.01)

    with local_endpoint(act) as server:
        replies = complete(asks(20), at(server, concurrency=4), tmp_path / "c.sqlite", retry=QUICK)
    assert [r.text for r in replies] == [f"re: question {i}" for i in range(20)]
    assert len(server.bodies) == 24
    assert sum(r.attempts for r in replies) == 24
    # The first requests are a moment apart: how many of the four are refused before the first pause is a
    # matter of timing.
    waited = max(later - earlier for earlier, later in pairwise(moments))
    assert waited >= {None: 0.005, "0.2": 0.19, "date": 0.8}[after]


@pytest.mark.parametrize(
    "fault",
    [
        Act(status=500),
        Act(status=503, headers={"Retry-After": "0.01"}),
        Act(cut=True),
        Act(body=b"<html>busy</html>", headers={"content-type": "text/html"}),
        Act(body=b""),
        Act(body=b'{"choices": []}'),
        Act(body=b"[1, 2]"),
        Act(delay=5),
    ],
    ids=["500", "503", "cut", "html", "nothing", "no choices", "a list", "slow"],
)
def test_a_passing_fault_is_tried_again_with_the_same_sampling(tmp_path, fault):
    with local_endpoint(lambda body, count: fault if count in (2, 3) else echo(body, count)) as server:
        settings = at(server, concurrency=1, timeout=0.5)
        replies = complete(asks(4), settings, tmp_path / "c.sqlite", retry=QUICK)
    assert [r.text for r in replies] == [f"re: question {i}" for i in range(4)]
    assert [r.attempts for r in replies] == [1, 3, 1, 1]
    assert server.bodies[1] == server.bodies[2] == server.bodies[3]


def test_a_lasting_fault_of_one_request_costs_only_that_request_and_is_asked_again_next_time(tmp_path):
    broken = {"question 3"}

    def act(body, count):
        return Act(status=500) if body["messages"][-1]["content"] in broken else echo(body, count)

    with local_endpoint(act) as server:
        replies = complete(asks(6), at(server, concurrency=2), tmp_path / "c.sqlite", retry=QUICK)
        assert replies[3].text is None
        assert replies[3].reason == "HTTP 500, 6 times"
        assert [r.text is None for r in replies].count(True) == 1
        broken.clear()
        again = complete(asks(6), at(server), tmp_path / "c.sqlite", retry=QUICK)
    assert [r.text for r in again] == [f"re: question {i}" for i in range(6)]
    assert [r.cached for r in again].count(False) == 1


def test_a_request_the_server_calls_wrong_is_not_repeated(tmp_path):
    def act(body, count):
        long = {"error": {"message": "context too long", "code": "context_length_exceeded"}}
        return Act(status=400, body=json.dumps(long).encode()) if count == 1 else echo(body, count)

    with local_endpoint(act) as server:
        replies = complete(asks(2), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
    assert replies[0] == Reply(None, "HTTP 400: context_length_exceeded: context too long", attempts=1)
    assert len(server.bodies) == 2


@pytest.mark.parametrize(("status", "says"), [(401, "refused the key"), (404, "does not know this model")])
def test_what_cannot_get_better_stops_at_once_keeps_what_came_and_never_shows_the_key(
    tmp_path, monkeypatch, status, says
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    body = b'{"error": {"message": "no: sk-secret", "code": "bad"}}'
    with local_endpoint(lambda b, n: echo(b, n) if n <= 3 else Act(status=status, body=body)) as server:
        with pytest.raises(EndpointError, match=says) as caught:
            complete(asks(100), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
        assert "3 of 100 replies came and are kept" in str(caught.value)
        assert "sk-secret" not in str(caught.value)
        assert server.keys[0] == "bearer sk-secret"
        assert len(server.bodies) == 4
        kept = complete(asks(3), at(server), tmp_path / "c.sqlite")
    assert all(r.cached for r in kept)
    assert b"sk-secret" not in (tmp_path / "c.sqlite").read_bytes()


def test_an_endpoint_that_is_away_is_one_clear_error(tmp_path):
    settings = JudgeSettings(model="m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:9/v1 does not answer: connection failed"):
        complete(asks(100), settings, tmp_path / "c.sqlite", retry=Retry(2, 2, 0.01, 0.01))


def test_a_wait_of_an_hour_ends_the_run_with_everything_kept(tmp_path):
    def act(body, count):
        return echo(body, count) if count <= 2 else Act(status=429, headers={"Retry-After": "3600"})

    with local_endpoint(act) as server, pytest.raises(EndpointError, match=r"3600 seconds.*2 of 5 replies"):
        complete(asks(5), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)


def test_an_account_without_credit_is_not_hammered(tmp_path):
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    with local_endpoint(lambda *_: Act(status=429, body=body)) as server:
        with pytest.raises(EndpointError, match="no credit left"):
            complete(asks(5), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
        assert len(server.bodies) == 1


def test_the_cost_limit_is_never_passed_and_the_next_call_goes_on(tmp_path):
    prices = {
        "price_in": 1e6 / 10,
        "price_out": 0.0,
        "concurrency": 4,
    }  # a reply of 10 prompt tokens costs 1 dollar
    with local_endpoint(echo) as server:
        with pytest.raises(EndpointError, match=r"more than max_cost = 0\.10\. Nothing was sent"):
            complete(asks(20), at(server, max_cost=0.1, **prices), tmp_path / "c.sqlite")
        assert not server.bodies
        with pytest.raises(EndpointError, match=r"max_cost = 25\.0 US dollars is reached"):
            complete(
                asks(20), at(server, max_cost=25.0, **(prices | {"price_out": 1e6})), tmp_path / "c.sqlite"
            )
        sent = len(server.bodies)
        assert 0 < sent < 20
        replies = complete(asks(20), at(server), tmp_path / "c.sqlite")
    assert len(server.bodies) == 20
    assert sum(r.cached for r in replies) == sent


@pytest.mark.parametrize(
    "act", [Act(usage=None), Act(body=b'{"choices": [{"mess')], ids=["no counts", "half a JSON"]
)
def test_a_reply_without_counts_counts_as_the_most_it_can_have_cost(tmp_path, act):
    prices = {"price_in": 0.0, "price_out": 1e6 / 8, "concurrency": 1}  # 8 reply tokens at most: a dollar
    with local_endpoint(lambda *_: act) as server:
        with pytest.raises(EndpointError, match=r"max_cost = 4\.5 US dollars is reached \(4\.00 spent"):
            complete(asks(20), at(server, max_cost=4.5, **prices), tmp_path / "c.sqlite", retry=QUICK)
        assert len(server.bodies) == 4


def test_a_cost_limit_without_prices_is_refused(tmp_path):
    with local_endpoint(echo) as server, pytest.raises(ConfigError, match="price_in"):
        complete(asks(1), at(server, max_cost=1.0), tmp_path / "c.sqlite")


def test_costs_come_from_the_tokens_that_the_server_counts(tmp_path):
    with local_endpoint(echo) as server:
        settings = at(server, price_in=2.0, price_out=10.0)
        reply = complete([ask("q")], settings, tmp_path / "c.sqlite")[0]
    assert (reply.prompt_tokens, reply.reply_tokens) == (10, 5)
    assert reply.cost == pytest.approx((10 * 2 + 5 * 10) / 1e6)
    expense = estimate(asks(10), settings)
    assert expense.requests == 10
    assert expense.high is not None
    assert expense.low is not None
    assert 0 < expense.low < expense.high


def test_no_key_is_a_missing_part_except_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(MissingPart, match="OPENAI_API_KEY is not set"):
        complete(asks(1), JudgeSettings(model="m"), tmp_path / "c.sqlite")
    with local_endpoint(echo) as server:
        assert complete(asks(1), at(server), tmp_path / "c.sqlite")[0].text


def test_it_works_inside_a_running_event_loop(tmp_path):
    async def notebook() -> str | None:
        return complete([ask("q")], at(server), tmp_path / "c.sqlite")[0].text

    with local_endpoint(echo) as server:
        assert asyncio.run(notebook()) == "re: q"


def test_any_text_can_be_sent_and_kept(tmp_path):
    texts = ["🎉 emoji", "שלום עולם", "lone \ud800 surrogate", "\x00 nul", "{first} {}"]
    with local_endpoint(echo) as server:
        replies = complete([ask(t) for t in texts], at(server), tmp_path / "c.sqlite")
        again = complete([ask(t) for t in texts], at(server), tmp_path / "c.sqlite")
    assert [r.text for r in replies] == [f"re: {t}".replace("\ud800", "\ufffd") for t in texts]
    assert [r.text for r in again] == [r.text for r in replies]


def test_no_more_than_concurrency_are_in_flight(tmp_path):
    with local_endpoint(lambda b, n: replace(echo(b, n), delay=0.02)) as server:
        complete(asks(40), at(server, concurrency=7), tmp_path / "c.sqlite")
    assert server.in_flight_most == 7


def test_requests_that_are_ready_together_leave_one_after_the_other():
    async def entries() -> list[float]:
        throttle = Throttle(30)
        return sorted(await asyncio.gather(*(throttle.enter() for _ in range(30))))

    first, *others = asyncio.run(entries())
    assert all(came - first > (place - 0.1) * APART for place, came in enumerate(others, 1))


def test_the_key_of_a_request_is_its_address_and_whole_payload():
    settings = JudgeSettings(model="m", base_url="http://localhost:1/v1")
    body = payload(ask("q"), settings)
    key = request_key("http://localhost:1/v1", encoded(body))
    assert key == request_key("http://localhost:1/v1", encoded(dict(reversed(body.items()))))
    assert key != request_key("http://localhost:2/v1", encoded(body))
    assert key != request_key("http://localhost:1/v1", encoded(body | {"seed": 1}))


def test_kill_9_halfway_loses_no_reply_and_pays_for_none_twice(tmp_path):
    cache = tmp_path / "c.sqlite"
    with local_endpoint(lambda b, n: replace(echo(b, n), delay=0.05)) as server:
        code = f"""
            import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
            from pathlib import Path
            from test_endpoint import asks, JudgeSettings, complete
            complete(asks(200), JudgeSettings(model="m", base_url={server.url!r}, concurrency=4), Path({str(cache)!r}))
        """
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        while len(server.bodies) < 60:
            assert child.poll() is None
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        time.sleep(0.2)
        with sqlite3.connect(cache) as db:
            kept = db.execute("SELECT COUNT(*) FROM replies").fetchone()[0]
        sent = len(server.bodies)
        assert sent - 4 <= kept <= sent  # only what was in flight
        replies = complete(asks(200), at(server, concurrency=4), cache)
        assert len(server.bodies) == sent + 200 - kept
    assert [r.text for r in replies] == [f"re: question {i}" for i in range(200)]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTP_PROXY", "nonsense"),
        ("HTTP_PROXY", "http://user:pass-word-9@127.0.0.1:9"),
        ("HTTP_PROXY", "socks5://127.0.0.1:9"),
        ("HTTP_PROXY", "http://[::1"),
        ("OPENAI_ORG_ID", "org\nX: y"),
    ],
)
def test_odd_environments_are_one_line(tmp_path, monkeypatch, variable, value):
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv(variable.lower(), value)
    settings = JudgeSettings(model="m", base_url="http://example.invalid/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proxy-123456")
    with pytest.raises((EndpointError, ConfigError)) as caught:
        complete(asks(2), settings, tmp_path / "c.sqlite", retry=Retry(2, 2, 0.01, 0.01))
    assert "\n" not in str(caught.value)
    assert "pass-word-9" not in str(caught.value)


@pytest.mark.parametrize("name", ["model \udcff", "m\x00", "🎉"])
def test_any_name_of_a_model_can_be_sent(tmp_path, name):
    with local_endpoint(echo) as server:
        settings = JudgeSettings(model=None, base_url=server.url).model_copy(update={"model": name})
        assert complete([ask("q")], settings, tmp_path / "c.sqlite")[0].text == "re: q"


def test_a_kept_connection_with_something_unasked_on_it_is_not_used_again():
    from aiohttp import ClientSession

    from handpicked.endpoint.connections import OwnReplies

    async def texts(url: str) -> list[str]:
        async with ClientSession(connector=OwnReplies(limit=0)) as http:
            found = []
            for _ in range(20):
                async with http.post(f"{url}/chat/completions", data=b"{}") as response:
                    found.append((await response.json())["choices"][0]["message"]["content"])
            return found

    # An answer that comes later than the connection is listened to cannot be told apart: only the sure case
    # is tested.
    fault = next(fault for fault in FAULTS if fault.name == "wire: two answers")
    with serving_fault(fault) as server:
        assert asyncio.run(texts(server.url)) == ["8 6"] * 20
