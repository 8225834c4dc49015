"""OpenAI's batch files: half the price within a day. Write, submit, collect; then ``complete`` finds every
reply cached.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handpicked.endpoint.cache import ReplyCache, request_key
from handpicked.endpoint.request import Endpoint, Reply, Request, base_url_of, key_of, payload
from handpicked.endpoint.wire import read_reply
from handpicked.errors import EndpointError

ENDPOINT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a batch gave. ``waiting`` says that it is not finished (``status``); ``failed`` maps request keys
    to reasons.
    """

    status: str
    waiting: bool
    stored: int
    failed: dict[str, str]


def write_batch(requests: Sequence[Request], settings: Endpoint, cache: Path, file: Path) -> int:
    """Write every request that the cache lacks, once, as OpenAI's batch input (JSON lines); how many there
    are.

    A request's ``custom_id`` is its cache key, so that replies find their place whatever their order.
    """
    base_url = base_url_of(settings)
    bodies = {request_key(base_url, body): body for body in (payload(r, settings) for r in requests)}
    with ReplyCache(cache) as store:
        held = store.get(list(bodies))
    lines = [
        json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body})
        for key, body in bodies.items()
        if key not in held
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def submit_batch(file: Path, settings: Endpoint) -> str:
    """Upload the file and start the batch; its id, to be kept for ``collect_batch``."""
    from openai import OpenAI, OpenAIError

    try:
        with OpenAI(
            api_key=key_of(settings), base_url=base_url_of(settings), timeout=settings.timeout
        ) as client:
            with file.open("rb") as data:
                uploaded = client.files.create(file=data, purpose="batch")
            batch = client.batches.create(
                input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
    except OpenAIError as error:
        raise EndpointError(f"The batch {file} could not be submitted: {error}") from error
    return batch.id


def collect_batch(batch_id: str, settings: Endpoint, cache: Path) -> Collected:
    """Put the replies of a finished batch into the cache. Collecting twice changes nothing.

    A batch that was cancelled or expired halfway is collected too: what it did was paid for.
    """
    from openai import OpenAI, OpenAIError

    try:
        with OpenAI(
            api_key=key_of(settings), base_url=base_url_of(settings), timeout=settings.timeout
        ) as client:
            batch = client.batches.retrieve(batch_id)
            if batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
                return Collected(batch.status, True, 0, {})
            texts = [client.files.content(i).text for i in (batch.output_file_id, batch.error_file_id) if i]
    except OpenAIError as error:
        raise EndpointError(f"The batch {batch_id} could not be collected: {error}") from error
    stored, failed = store_results("\n".join(texts), cache)
    return Collected(batch.status, False, stored, failed)


def store_results(text: str, cache: Path) -> tuple[int, dict[str, str]]:
    """Replies of a batch's output and error files (JSON lines) into the cache: how many, and the failed by
    key.
    """
    stored, failed = 0, {}
    with ReplyCache(cache) as store:
        for line in filter(str.strip, text.splitlines()):
            row = json.loads(line)
            key, response = row["custom_id"], row.get("response") or {}
            reply = (
                read_reply(json.dumps(response.get("body")), None)
                if response.get("status_code") == 200
                else None
            )
            if isinstance(reply, Reply):
                store.put(key, reply)
                stored += 1
            else:
                failed[key] = str(row.get("error") or response.get("body") or "no chat completion")[:300]
    return stored, failed
