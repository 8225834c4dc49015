"""A reply that comes as a stream of events, as the one chat completion that its parts make.

Some models answer in no other way; some gateways begin a plain reply with comments that keep the connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

JOINED = ("content", "reasoning_content", "reasoning", "refusal")
"""The fields of a message of which each part of a stream brings a piece."""


def is_stream(content: bytes) -> bool:
    """Whether a body is server-sent events."""
    return content.lstrip()[:6].startswith((b"data:", b"event:", b": ", b":\n", b"id:"))


def whole_reply(content: bytes) -> object:
    """The chat completion that the events of a stream make; an error that one of them reports as it is; ``None``
    for a stream that ended before the reply did.

    Raises ValueError for an event that is no JSON.
    """
    message: dict[str, str | None] = {"role": "assistant", "content": None}
    choice: dict[str, object] = {"index": 0, "message": message, "finish_reason": None}
    logprobs: list[object] = []
    usage: object = None
    done = False
    plain = []
    for line in content.decode("utf-8", "replace").split("\n"):
        if not line.startswith("data:"):
            plain += [] if line.startswith((":", "event:", "id:", "retry:")) else [line]
            continue
        data = line[5:].strip()
        done = done or data == "[DONE]"
        event = json.loads(data, strict=False) if data and data != "[DONE]" else None
        if not isinstance(event, dict):
            continue
        if event.get("error"):
            return event
        usage = event.get("usage") or usage
        part = next((one for one in event.get("choices") or () if one.get("index", 0) == 0), None)
        if isinstance(part, dict):
            _add(part, message, logprobs)
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
    if "".join(plain).strip():  # comments, then a plain body
        return json.loads("\n".join(plain), strict=False)
    if not done and choice["finish_reason"] is None:
        return None
    return {"choices": [{**choice, "logprobs": {"content": logprobs} if logprobs else None}], "usage": usage}


def _add(part: Mapping[str, object], message: dict[str, str | None], logprobs: list[object]) -> None:
    delta = part.get("delta") or part.get("message")
    for name in JOINED if isinstance(delta, Mapping) else ():
        piece = delta.get(name) if isinstance(delta, Mapping) else None
        if isinstance(piece, str):
            message[name] = (message.get(name) or "") + piece
    found = part.get("logprobs")
    entries = found.get("content") if isinstance(found, Mapping) else None
    logprobs += entries if isinstance(entries, list) else []
