"""Batch files, against a real HTTP server that speaks OpenAI's batch API: written, submitted,
collected, never paid twice.
"""

from __future__ import annotations

import json

import pytest

from handpicked.config import JudgeSettings
from handpicked.endpoint import (
    Request,
    batched,
    collect_batch,
    complete,
    complete_batched,
    submit_batch,
    write_batch,
    write_batched,
)
from handpicked.errors import EndpointError, MissingPart, NotYet, StoreError
from handpicked.records import Message
from local_batches import answered, expired, local_batches, refused


def asks(*texts: str) -> list[Request]:
    return [Request((Message("user", text),), 8) for text in texts]


def at(server, **fields) -> JudgeSettings:
    return JudgeSettings(model="m", base_url=server.url, **fields)


def trouble(as_: object):
    """Answers everything but requests that ask for trouble."""
    return lambda row: as_(row) if "trouble" in json.dumps(row) else answered(row)


def test_a_batch_fills_the_cache_and_only_its_failures_are_asked_again(tmp_path):
    requests, cache, file = (
        asks("one", "two", "trouble", "two"),
        tmp_path / "c.sqlite",
        tmp_path / "batch.jsonl",
    )
    with local_batches(trouble(expired)) as server:
        settings = at(server)
        assert write_batch(requests, settings, cache, file) == 3  # equal requests are one
        batch = submit_batch(file, settings)
        assert collect_batch(batch, settings, cache).waiting
        server.status = "completed"
        collected = collect_batch(batch, settings, cache)
        assert collected.stored == 2
        assert next(iter(collected.failed.values())).startswith("batch_expired: This request could not")
        assert collect_batch(batch, settings, cache).stored == 2  # again: nothing changes
        assert write_batch(requests, settings, cache, file) == 1
        replies = complete([requests[0], requests[1], requests[3]], settings, cache)
    assert [r.text for r in replies] == ["re: one", "re: two", "re: two"]
    assert all(r.cached for r in replies)


def test_an_unknown_batch_is_one_clear_error(tmp_path):
    with local_batches() as server, pytest.raises(EndpointError, match="batch-9 could not be collected"):
        collect_batch("batch-9", at(server), tmp_path / "c.sqlite")


def test_one_call_submits_the_next_looks_and_the_last_has_every_reply(tmp_path):
    requests, cache, folder = asks("one", "two", "one"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches() as server:
        settings = at(server, price_in=1.0, price_out=2.0)
        with pytest.raises(NotYet, match="2 requests were submitted"):
            complete_batched(requests, settings, cache, folder)
        with pytest.raises(NotYet, match=r"batch-0 in_progress \(1 of 2\)"):
            complete_batched(requests, settings, cache, folder)
        server.status = "completed"
        replies = complete_batched(requests, settings, cache, folder)
        assert [r.text for r in replies] == ["re: one", "re: two", "re: one"]
        assert replies[0].cost == pytest.approx((10 * 1 + 5 * 2) / 1e6)
        calls = len(server.calls)
        assert complete_batched(requests, settings, cache, folder) == replies
        assert len(server.calls) == calls  # everything is here: nobody is called
    assert len(server.made) == 1


def test_what_expired_goes_into_another_batch_and_what_is_wrong_is_reported(tmp_path):
    requests, cache, folder = asks("one", "trouble", "wrong"), tmp_path / "c.sqlite", tmp_path / "batches"

    def line(row):
        text = json.dumps(row)
        if "wrong" in text:
            return refused(row)
        return expired(row) if "trouble" in text and len(server.made) == 1 else answered(row)

    with local_batches(line) as server:
        with pytest.raises(NotYet, match="3 requests were submitted"):
            complete_batched(requests, at(server), cache, folder)
        server.status = "expired"
        with pytest.raises(NotYet, match="1 requests were submitted"):
            complete_batched(requests, at(server), cache, folder)
        assert [row["body"]["messages"][0]["content"] for row in server.rows("batch-1")] == ["trouble"]
        server.status = "completed"
        replies = complete_batched(requests, at(server), cache, folder)
    assert [r.text for r in replies] == ["re: one", "re: trouble", None]
    assert replies[2].reason == "HTTP 400: context too long"


def test_three_batches_are_enough_and_the_rest_is_judged_without_what_never_came(tmp_path):
    requests, cache, folder = asks("one", "trouble"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches(trouble(expired)) as server:
        server.status = "completed"
        for _ in range(3):
            with pytest.raises(NotYet):
                complete_batched(requests, at(server), cache, folder)
        replies = complete_batched(requests, at(server), cache, folder)
        assert replies[0].text == "re: one"
        assert replies[1].text is None
        assert "no reply from 3 batches (batch_expired: This request could not be executed" in str(
            replies[1].reason
        )
        assert len(server.made) == 3


def test_lines_that_are_cut_short_or_missing_are_asked_again(tmp_path):
    requests, cache, folder = asks("one", "two"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches(
        lambda row: None if "two" in json.dumps(row) and len(server.made) == 1 else answered(row)
    ) as server:
        with pytest.raises(NotYet):
            complete_batched(requests, at(server), cache, folder)
        server.status = "completed"
        with pytest.raises(NotYet, match="1 requests were submitted"):
            complete_batched(requests, at(server), cache, folder)
        assert [r.text for r in complete_batched(requests, at(server), cache, folder)] == [
            "re: one",
            "re: two",
        ]


def test_a_batch_that_is_refused_says_why_and_the_next_call_submits_it_again(tmp_path):
    requests, cache, folder = asks("one"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches() as server:
        with pytest.raises(NotYet):
            complete_batched(requests, at(server), cache, folder)
        server.status = "failed"
        with pytest.raises(EndpointError, match="refused the batch batch-0: Enqueued token limit reached"):
            complete_batched(requests, at(server), cache, folder)
        server.status = "completed"
        with pytest.raises(NotYet):
            complete_batched(requests, at(server), cache, folder)
        assert complete_batched(requests, at(server), cache, folder)[0].text == "re: one"


def test_a_submission_whose_answer_was_lost_is_found_again_and_not_paid_twice(tmp_path):
    requests, cache, folder = asks("one"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches() as server:
        with pytest.raises(NotYet):
            complete_batched(requests, at(server), cache, folder)
        state = json.loads((folder / "batches.json").read_text())
        state["batches"][0] |= {"id": "", "status": "submitting"}  # as a kill in the middle leaves it
        (folder / "batches.json").write_text(json.dumps(state))
        with pytest.raises(NotYet, match="batch-0 in_progress"):
            complete_batched(requests, at(server), cache, folder)
        server.made[0]["metadata"] = {}  # as if it had never come through
        (folder / "batches.json").write_text(json.dumps(state))
        with pytest.raises(NotYet, match="1 requests were submitted"):
            complete_batched(requests, at(server), cache, folder)
        server.status = "completed"
        assert complete_batched(requests, at(server), cache, folder)[0].text == "re: one"
    assert len(server.made) == 2


def test_files_are_written_without_a_key_and_results_from_elsewhere_are_taken(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(batched, "MOST_REQUESTS", 2)
    requests, cache, folder = asks("one", "two", "three"), tmp_path / "c.sqlite", tmp_path / "batches"
    settings = JudgeSettings(model="m", base_url="https://api.example.com/v1")
    files = write_batched(requests, settings, cache, folder)
    assert [file.name for file in files] == ["requests-001.jsonl", "requests-002.jsonl"]
    assert write_batched(requests, settings, cache, folder) == files  # again: the same files
    with pytest.raises(MissingPart, match="OPENAI_API_KEY is not set"):
        complete_batched(requests, settings, cache, folder)
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert [row["url"] for row in rows] == ["/v1/chat/completions"] * 3
    (folder / "results-1.jsonl").write_text("".join(json.dumps(answered(row)) + "\n" for row in rows))
    replies = complete_batched(requests, settings, cache, folder)
    assert [r.text for r in replies] == ["re: one", "re: two", "re: three"]


def test_a_batch_that_could_cost_too_much_is_not_sent(tmp_path):
    with local_batches() as server:
        settings = at(server, price_in=1.0, price_out=1e6, max_cost=5.0)
        with pytest.raises(EndpointError, match=r"could cost up to 8\.00 US dollars.*Nothing was sent"):
            complete_batched(asks("one"), settings, tmp_path / "c.sqlite", tmp_path / "b")
        assert not server.calls


def test_other_requests_in_the_same_folder_start_again(tmp_path):
    cache, folder = tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches(trouble(expired)) as server:
        server.status = "completed"
        for _ in range(3):
            with pytest.raises(NotYet):
                complete_batched(asks("trouble"), at(server), cache, folder)
        with pytest.raises(NotYet):
            complete_batched(asks("two"), at(server), cache, folder)
        assert complete_batched(asks("two"), at(server), cache, folder)[0].text == "re: two"


def test_lines_of_any_shape_and_keys_in_them_are_no_traceback(tmp_path, monkeypatch):
    key = "sk-batch-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    requests, cache, folder = asks("one", "two"), tmp_path / "c.sqlite", tmp_path / "batches"
    settings = JudgeSettings(model="m", base_url="http://127.0.0.1:9/v1")
    first, second = (
        json.loads(line)["custom_id"]
        for file in write_batched(requests, settings, cache, folder)
        for line in file.read_text().splitlines()
    )
    deep = "[" * 100_000 + "]" * 100_000
    lines = [
        json.dumps({"custom_id": first, "response": [1]}),
        json.dumps({"custom_id": first, "response": {"status_code": 200, "body": {"choices": 5}}}),
        f'{{"custom_id": "{first}", "response": {{"status_code": 200, "body": {deep}}}}}',
        json.dumps(
            {"custom_id": first, "response": {"status_code": "x", "body": None}, "error": {"message": [key]}}
        ),
        json.dumps(
            {"custom_id": second, "response": {"status_code": 400, "body": {"error": f"bad {key} \ud800"}}}
        ),
        json.dumps({"custom_id": first, "response": {"status_code": 400, "body": None}}),
        deep,
        "\x00",
    ]
    (folder / "results.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe")
    with pytest.raises(EndpointError, match=r"refused every request of its batches .*HTTP 400"):
        complete_batched(requests, settings, cache, folder)
    with pytest.raises(EndpointError):
        complete_batched(requests, settings, cache, folder)
    assert key not in (folder / "batches.json").read_text()
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir() if file.name != "results.jsonl"} == {
        0o600
    }


def test_a_damaged_state_of_batches_is_one_line(tmp_path):
    requests, cache, folder = asks("one"), tmp_path / "c.sqlite", tmp_path / "batches"
    settings = JudgeSettings(model="m", base_url="http://127.0.0.1:9/v1")
    write_batched(requests, settings, cache, folder)
    for damage in ("[1]", '{"asked": 5}', '{"asked": "x", "batches": [{"odd": 1}]}'):
        (folder / "batches.json").write_text(damage)
        with pytest.raises(StoreError, match="not a state of batches"):
            complete_batched(requests, settings, cache, folder)


def wanting(*unwanted: str):
    """A model that refuses every request which holds one of these settings, in its maker's words."""

    def line(row):
        for name in unwanted:
            if name in row["body"]:
                said = f"Unsupported parameter: '{name}' is not supported with this model."
                said += " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                body = {"error": {"message": said}}
                return {
                    "custom_id": row["custom_id"],
                    "response": {"status_code": 400, "body": body},
                    "error": None,
                }
        return answered(row)

    return line


def test_a_batch_that_is_refused_for_a_setting_is_sent_again_as_the_model_wants_it(tmp_path):
    requests = [Request((Message("user", text),), 8, temperature=0.0) for text in ("one", "two")]
    cache, folder = tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches(wanting("max_tokens", "temperature")) as server:
        server.status = "completed"
        for _ in range(3):
            with pytest.raises(NotYet, match="2 requests were submitted"):
                complete_batched(requests, at(server), cache, folder)
        assert [r.text for r in complete_batched(requests, at(server), cache, folder)] == [
            "re: one",
            "re: two",
        ]
        assert {name for row in server.rows("batch-2") for name in row["body"]} == {
            "model", "messages", "max_completion_tokens",
        }  # fmt: skip
        other = [Request((Message("user", "three"),), 8, temperature=0.0)]
        with pytest.raises(NotYet):  # what was learnt is kept in the cache
            complete_batched(other, at(server), cache, tmp_path / "other")
        assert "max_completion_tokens" in server.rows("batch-3")[0]["body"]


def test_a_model_that_refuses_either_way_is_asked_each_way_once(tmp_path):
    requests, cache, folder = asks("one"), tmp_path / "c.sqlite", tmp_path / "batches"
    with local_batches(wanting("max_tokens", "max_completion_tokens")) as server:
        server.status = "completed"
        for _ in range(2):
            with pytest.raises(NotYet):
                complete_batched(requests, at(server), cache, folder)
        with pytest.raises(EndpointError, match="refused every request of its batches"):
            complete_batched(requests, at(server), cache, folder)
        assert len(server.made) == 2


def test_results_from_elsewhere_teach_as_well(tmp_path):
    requests, cache, folder = asks("one"), tmp_path / "c.sqlite", tmp_path / "batches"
    settings = JudgeSettings(model="m", base_url="https://api.example.com/v1")
    (file,) = write_batched(requests, settings, cache, folder)
    row = json.loads(file.read_text())
    (folder / "results-1.jsonl").write_text(json.dumps(wanting("max_tokens")(row)))
    (file,) = write_batched(requests, settings, cache, folder)
    assert "max_completion_tokens" in json.loads(file.read_text())["body"]
