"""Bodies in the shapes that gateways and servers give them: the reply, or the reason why there is none."""

from __future__ import annotations

import json

import pytest

from handpicked.endpoint.request import Reply
from handpicked.endpoint.wire import Fault, read_reply


def body(message: object = None, finish: str | None = "stop", **fields) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], **fields}).encode()


def said(text: object, finish: str | None = "stop", **fields) -> bytes:
    return body({"role": "assistant", "content": text}, finish, **fields)


def events(*parts: object, end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(part)}\n\n" for part in parts) + end).encode()


def delta(finish: str | None = None, **fields) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    "content",
    [
        said([{"type": "thinking", "text": "9 1"}, {"type": "text", "text": "8 6"}]),
        said([{"type": "reasoning", "text": "9 1"}, {"type": "output_text", "text": "8 6"}]),
        said("8 6", error=None),
        b": keep-alive\n\n" + said("8 6"),
        events(
            delta(role="assistant"),
            delta(reasoning_content="9 1"),
            delta(content="8"),
            delta("stop", content=" 6"),
        ),
        events(delta(content="8 "), delta(content="6"), {"choices": [], "usage": {"prompt_tokens": 3}}),
    ],
)
def test_only_what_is_said_is_the_reply(content):
    reply = read_reply(content, None)
    assert isinstance(reply, Reply)
    assert reply.text == "8 6"


def test_a_raw_line_end_in_a_text_is_read():
    reply = read_reply(said("8 6 because").replace(b"6 because", b"6\nbecause"), None)
    assert isinstance(reply, Reply) and reply.text == "8 6\nbecause"


@pytest.mark.parametrize("finish", ["length", "MAX_TOKENS", "max_tokens", "model_length"])
def test_a_cut_reply_is_cut_however_the_endpoint_calls_it(finish):
    cut = read_reply(said("8 6\nThe", finish), None)
    empty = read_reply(said(None, finish), None)
    assert isinstance(cut, Reply) and isinstance(empty, Reply)
    assert cut.text == "8 6\nThe" and not cut.finished
    assert empty.text is None and "raise max_tokens" in (empty.reason or "")


def test_a_stream_counts_its_tokens_and_tells_its_end():
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    reply = read_reply(events(delta(content="8 6"), {**delta("length"), "usage": usage}), None)
    assert isinstance(reply, Reply)
    assert (reply.prompt_tokens, reply.reply_tokens, reply.finished) == (7, 2, False)


@pytest.mark.parametrize(
    ("content", "reason", "again"),
    [
        (json.dumps({"choices": []}).encode(), "holds no choice", True),
        (body({"role": "assistant", "content": ""}, "error"), "a fault of its own", True),
        (said(None, error={"message": "provider died", "code": 502}), "HTTP 502", True),
        (json.dumps({"error": {"message": "busy", "code": "503"}}).encode(), "HTTP 503", True),
        (
            json.dumps({"object": "error", "message": "context too long", "code": 400}).encode(),
            "context too long",
            False,
        ),
        (json.dumps({"type": "message", "content": []}).encode(), 'begins \'{"type": "message"', True),
        (events(delta(content="8 6"), end=""), "the stream ended before the reply did", True),
        (events(delta(content="8"), {"error": {"message": "worker died", "code": 500}}), "HTTP 500", True),
    ],
)
def test_what_is_no_reply_says_why_and_is_no_empty_reply(content, reason, again):
    fault = read_reply(content, None)
    assert isinstance(fault, Fault)
    assert reason in fault.reason
    assert fault.again is again


@pytest.mark.parametrize(
    ("usage", "paid"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}, (5, 4)),
        ({"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 109}, (5, 104)),
        ({"input_tokens": 5, "output_tokens": 4}, (5, 4)),
        ({"prompt_tokens": "5", "completion_tokens": 4}, (None, 4)),
    ],
)
def test_tokens_of_the_reasoning_are_paid_for_where_only_the_total_has_them(usage, paid):
    reply = read_reply(said("8 6", usage=usage), None)
    assert isinstance(reply, Reply)
    assert (reply.prompt_tokens, reply.reply_tokens) == paid
