"""A refusal of everything is not a success; how a model wants to be asked is learnt from one refusal."""

from __future__ import annotations

import json
import sqlite3

import pytest

from handpicked.config import JudgeSettings
from handpicked.endpoint import Request, Retry, complete
from handpicked.endpoint.refusals import FIRST, IN_A_ROW
from handpicked.endpoint.request import key_header, url_of
from handpicked.errors import EndpointError
from handpicked.experiment.judge_files import Judged, refuse_unread
from handpicked.judges import judge
from handpicked.records import Message, Pair
from handpicked.results.judgements import Judgements, judgements
from local_endpoint import Act, local_endpoint

QUICK = Retry(2, 2, 0.01, 0.02)


def asks(count: int, **fields) -> list[Request]:
    return [Request((Message("user", f"question {i}"),), 8, **fields) for i in range(count)]


def at(server, **fields) -> JudgeSettings:
    return JudgeSettings(model="m", base_url=server.url, **({"concurrency": 4} | fields))


def refused(words: str, code: str | None = None, status: int = 400) -> Act:
    return Act(status=status, body=json.dumps({"error": {"message": words, "code": code}}).encode())


@pytest.mark.parametrize(
    ("status", "words", "advice"),
    [
        (400, "Invalid API key", r"key in the environment variable OPENAI_API_KEY \(key_env\)"),
        (400, "max_tokens must be at most 4", "Change the setting max_tokens"),
        (400, "temperature must be at least 0.1", "Change the setting temperature"),
        (400, "no such deployment", "Check base_url, model, and the key"),
        (400, "logprobs are not enabled", "--judge scores"),
        (403, "no access", "Check base_url"),
        (402, "no money", "Check base_url"),
    ],
)
def test_an_endpoint_that_refuses_everything_is_stopped_early_in_its_own_words(
    tmp_path, status, words, advice
):
    with (
        local_endpoint(lambda *_: refused(words, status=status)) as server,
        pytest.raises(EndpointError, match=f"HTTP {status}: {words}.*{advice}") as caught,
    ):
        complete(asks(500), at(server), tmp_path / "c.sqlite", retry=QUICK)
    assert "refused 20 requests in a row" in str(caught.value)
    assert FIRST <= len(server.bodies) <= FIRST + 4


def test_a_few_requests_that_are_all_refused_are_no_success_and_asked_again(tmp_path):
    broken = [True]

    def act(*_):
        return refused("The model's context is 8 tokens", "context_length_exceeded") if broken else Act("8 6")

    with local_endpoint(act) as server:
        for _ in range(2):
            with pytest.raises(EndpointError, match=r"refused every request: HTTP 400.*lower answer_chars"):
                complete(asks(3), at(server), tmp_path / "c.sqlite", retry=QUICK)
        assert len(server.bodies) == 6
        broken.clear()
        assert [r.text for r in complete(asks(3), at(server), tmp_path / "c.sqlite")] == ["8 6"] * 3


def test_requests_too_long_at_the_beginning_do_not_stop_those_that_fit(tmp_path):
    def act(body, _):
        number = int(body["messages"][-1]["content"].split()[1])
        return refused("prompt too long", "context_length_exceeded") if number < 60 else Act("ok")

    with local_endpoint(act) as server:
        replies = complete(asks(70), at(server), tmp_path / "c.sqlite", retry=QUICK)
    assert [reply.text for reply in replies] == [None] * 60 + ["ok"] * 10
    assert replies[0].reason == "HTTP 400: context_length_exceeded: prompt too long"


def test_a_key_that_is_withdrawn_halfway_stops_what_is_left(tmp_path):
    with (
        local_endpoint(lambda _, n: Act("ok") if n <= 30 else refused("key expired")) as server,
        pytest.raises(EndpointError, match=r"refused 200 requests in a row.*30 of 1000 replies came"),
    ):
        complete(asks(1000), at(server), tmp_path / "c.sqlite", retry=QUICK)
    assert len(server.bodies) <= 30 + IN_A_ROW + 4


def test_one_flagged_request_among_others_keeps_its_own_reason(tmp_path):
    with local_endpoint(
        lambda b, _: refused("violence", "content_filter") if "question 1" in str(b) else Act("ok")
    ) as server:
        replies = complete(asks(3), at(server), tmp_path / "c.sqlite", retry=QUICK)
    assert [reply.text for reply in replies] == ["ok", None, "ok"]
    assert replies[1].reason == (
        "the endpoint's content filter refused the request (HTTP 400: content_filter: violence)"
    )


def newer_model(body, _):
    if "max_tokens" in body:
        return refused("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    if body.get("temperature", 1) != 1:
        return refused(
            "Unsupported value: 'temperature' does not support 0. Only the default (1) is supported."
        )
    return Act("8 6")


def test_how_a_model_wants_to_be_asked_is_learnt_once_and_remembered(tmp_path, caplog):
    with local_endpoint(newer_model) as server:
        first = complete(asks(40), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
        assert len(server.bodies) == 42
        again = complete(asks(50), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
        assert len(server.bodies) == 52
    assert {reply.text for reply in first + again} == {"8 6"}
    assert sum(reply.cached for reply in again) == 40
    assert "m wants max_completion_tokens, with its own temperature" in caplog.text


def test_a_judge_of_a_newer_model_gives_a_verdict_a_pair(tmp_path):
    pairs = [Pair(f"p{i}", f"request {i}", "x", "y", "good", "bad") for i in range(12)]
    with local_endpoint(newer_model) as server:
        settings = JudgeSettings(name="scores", model="m", base_url=server.url)
        verdicts = judge(pairs, settings, tmp_path / "v.jsonl", cache=tmp_path / "c.sqlite")
        assert {review.scores for verdict in verdicts for review in verdict.reviews} == {(8.0, 6.0)}
        assert len(server.bodies) <= 24 + 2 * settings.concurrency
        sent = len(server.bodies)
        judge(pairs, settings, tmp_path / "w.jsonl", cache=tmp_path / "c.sqlite")
        assert len(server.bodies) == sent


def test_a_server_that_knows_only_max_tokens_is_asked_so(tmp_path, monkeypatch):
    def act(body, _):
        unknown = "Unrecognized request argument supplied: max_completion_tokens"
        return refused(unknown) if "max_completion_tokens" in body else Act("ok")

    with local_endpoint(act) as server:
        monkeypatch.setattr("handpicked.endpoint.request.OPENAI_URL", server.url)
        assert complete(asks(1), at(server), tmp_path / "c.sqlite", retry=QUICK)[0].text == "ok"
    assert ["max_tokens" in body for body in server.bodies] == [False, True]


def test_a_model_that_refuses_either_way_ends_at_once(tmp_path):
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with (
        local_endpoint(lambda *_: refused(words)) as server,
        pytest.raises(EndpointError, match="Change the setting max_tokens"),
    ):
        complete(asks(100), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
    assert len(server.bodies) <= FIRST + 2


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
    ],
)
def test_a_model_without_a_system_role_gets_its_text_before_the_users(tmp_path, words, caplog):
    def act(body, _):
        return refused(words) if body["messages"][0]["role"] == "system" else Act("ok")

    asked = [Request((Message("system", "Be fair."), Message("user", f"question {i}")), 8) for i in range(4)]
    with local_endpoint(act) as server:
        replies = complete(asked, at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
    assert [reply.text for reply in replies] == ["ok"] * 4
    assert len(server.bodies) == 5
    assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be fair.\n\nquestion 3"}]
    assert "the system prompt before the user's text" in caplog.text


def test_a_model_that_only_streams_is_asked_for_a_stream_once_and_for_all(tmp_path):
    event = json.dumps({"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]})

    def act(body, _):
        if not body.get("stream"):
            return refused("This model only support stream mode, please enable the stream parameter.")
        return Act(body=f"data: {event}\n\ndata: [DONE]\n\n".encode())

    with local_endpoint(act) as server:
        for _ in range(2):  # the second time from the cache
            replies = complete(asks(4), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
            assert [reply.text for reply in replies] == ["ok"] * 4
        assert [bool(body.get("stream")) for body in server.bodies] == [False, True, True, True, True]


@pytest.mark.parametrize(
    "words",
    [
        "`temperature` may only be set to 1 when thinking is enabled.",
        "invalid temperature: only 1 is allowed",
    ],
)
def test_other_words_for_a_temperature_that_is_not_accepted(tmp_path, words):
    with local_endpoint(lambda body, _: refused(words) if "temperature" in body else Act("ok")) as server:
        assert complete(asks(1), at(server), tmp_path / "c.sqlite", retry=QUICK)[0].text == "ok"


def test_an_account_without_credit_is_known_by_the_type_of_the_error(tmp_path):
    spent = {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": None}
    act = Act(status=429, body=json.dumps({"error": spent}).encode())
    with local_endpoint(lambda *_: act) as server, pytest.raises(EndpointError, match="no credit left"):
        complete(asks(3), at(server, concurrency=1), tmp_path / "c.sqlite", retry=QUICK)
    assert len(server.bodies) == 1


def test_a_created_reply_and_a_whole_address_are_taken(tmp_path):
    with local_endpoint(lambda *_: Act(status=201, body=Act("ok").content())) as server:
        settings = JudgeSettings(model="m", base_url=f"{server.url}/chat/completions/")
        assert complete(asks(1), settings, tmp_path / "c.sqlite", retry=QUICK)[0].text == "ok"


def test_a_retry_after_of_nothing_is_not_obeyed_thirty_times_at_once(tmp_path):
    import time

    with local_endpoint(
        lambda _, n: Act("ok") if n > 3 else Act(status=429, headers={"Retry-After": "0"})
    ) as server:
        started = time.monotonic()
        retry = Retry(2, 5, 0.05, 0.1)
        assert complete(asks(1), at(server), tmp_path / "c.sqlite", retry=retry)[0].text == "ok"
    assert time.monotonic() - started > 0.05 + 0.1 + 0.1


def test_an_endpoint_that_answers_with_a_page_is_not_said_to_be_silent(tmp_path):
    page = Act(body=b"<html><title>Sign in</title></html>")
    with (
        local_endpoint(lambda *_: page) as server,
        pytest.raises(EndpointError, match=r"gives no reply that can be used: .*Sign in.*, 2 times"),
    ):
        complete(asks(1), at(server), tmp_path / "c.sqlite", retry=QUICK)


def test_a_judge_that_reads_one_order_of_every_pair_has_judged_nothing(tmp_path):
    pairs = [Pair(f"p{i}", f"request {i}", "x", "y", "good", "bad") for i in range(3)]

    def act(body, _):
        shown = body["messages"][-1]["content"]
        return (
            refused("violence", "content_filter")
            if shown.index("good") > shown.index("bad\n")
            else Act("8 6")
        )

    with local_endpoint(act) as server:
        settings = JudgeSettings(name="scores", model="m", base_url=server.url)
        found = judge(pairs, settings, tmp_path / "v.jsonl", cache=tmp_path / "c.sqlite")
    judged = Judged(Judgements(3, judgements(found, pairs), {}), (), tuple(found))
    with pytest.raises(EndpointError, match=r"not one of 3 verdicts could be read. .*content filter"):
        refuse_unread(judged)


def test_a_seed_is_never_left_out(tmp_path):
    """Without it several samples would be one request."""
    with (
        local_endpoint(lambda *_: refused("'seed' is not supported")) as server,
        pytest.raises(EndpointError, match="Change the setting seed"),
    ):
        complete(asks(2, seed=1), at(server), tmp_path / "c.sqlite", retry=QUICK)


# -- what a cache of an earlier version holds
# --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"text": [{"type": "text", "text": "8 6"}]}', "the reply in the cache is"),
        ('{"text": 8}', "the reply in the cache is 8, where text belongs"),
        ('{"text": {"a": 1}}', "where text belongs"),
        ('{"text": null}', "the reply in the cache is damaged"),
        ("[1]", "damaged"),
        ('{"text": "8', "damaged"),
        ("\x00\xff", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"text": ' + "[" * 900 + "]" * 900 + "}", "where text belongs"),
        ('{"text": "8 6", "prompt_tokens": -4, "reply_tokens": "x", "seconds": "soon", "finished": 5}', None),
        ('{"text": "8 6", "logprobs": [{"A": 800.0}]}', None),
        ('{"text": "8 6", "logprobs": {"A": NaN}, "of a later version": 1}', None),
        ('{"text": "8 6\\n\\ud800"}', None),
    ],
)
def test_a_cached_reply_that_cannot_be_read_is_one_unparsed_review(tmp_path, row, reason):
    pairs = [Pair(f"p{i}", f"request {i}", "x", "y", "good", "bad") for i in range(2)]
    cache = tmp_path / "c.sqlite"
    with local_endpoint(lambda *_: Act("8 6")) as server:
        settings = JudgeSettings(name="scores", model="m", base_url=server.url, price_in=1.0, price_out=1.0)
        judge(pairs, settings, tmp_path / "v.jsonl", cache=cache)
        with sqlite3.connect(cache) as db:
            key = db.execute("SELECT MIN(key) FROM replies").fetchone()[0]
            db.execute("UPDATE replies SET reply = ? WHERE key = ?", (row, key))
        db.close()
        for _ in range(2):
            verdicts = judge(pairs, settings, tmp_path / "v.jsonl", cache=cache)
        assert len(server.bodies) == 4
    reviews = [review for verdict in verdicts for review in verdict.reviews]
    unread = [review for review in reviews if review.preferred is None]
    assert len(unread) == (reason is not None)
    assert all(reason in str(review.reason) for review in unread)
    (tmp_path / "v.jsonl").read_bytes().decode("utf-8")


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("https://mine.openai.azure.com/openai/v1/", {"api-key": "secret-key"}),
        (
            "https://gateway.example/openai/deployments/judge?api-version=2024-10-21",
            {"api-key": "secret-key"},
        ),
        ("https://user:word@gateway.example/openai/deployments/judge", {}),
        ("https://api.openai.com/v1", {}),
        ("https://azure.com.example/v1", {}),
    ],
)
def test_azure_gets_its_key_in_a_header_of_its_own_and_nobody_else(monkeypatch, address, headers):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key\n")
    assert key_header(JudgeSettings(model="m", base_url=address)) == headers


def test_the_query_and_the_deployment_of_azure_stay_in_the_address():
    address = "https://a.azure.com/openai/deployments/d/chat/completions?api-version=1"
    settings = JudgeSettings(model="m", base_url=address)
    assert url_of(settings, "chat/completions") == address
