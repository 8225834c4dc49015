"""OpenAI's batch files, at half the price within a day: write, submit and collect them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from handpicked.endpoint.cache import ReplyCache, request_key
from handpicked.endpoint.reading import said_in
from handpicked.endpoint.request import (
    Dialect,
    Endpoint,
    Reply,
    Request,
    authorization_of,
    base_url_of,
    encoded,
    key_of,
    payload,
    query_of,
    usual_dialect,
)
from handpicked.endpoint.wire import RETRIED, Fault, read_reply
from handpicked.errors import EndpointError
from handpicked.records import Json
from handpicked.store import write_text

if TYPE_CHECKING:
    from openai import OpenAI

ENDPOINT = "/v1/chat/completions"
WORKING = ("validating", "in_progress", "finalizing", "cancelling")
TAG = "handpicked"
"""Metadata of our batches: the digest of their file, by which one is found again whose id was lost."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a batch gave. ``waiting`` says that it is not finished (``status``, ``done`` of its requests).

    ``failed`` maps the keys of requests that can be sent again to reasons (expired, 500), ``refused`` those
    of requests that the endpoint calls wrong. ``problem`` is why a whole batch was refused.
    """

    status: str
    waiting: bool
    done: int = 0
    stored: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def batch_lines(requests: Sequence[Request], settings: Endpoint, cache: Path) -> dict[str, str]:
    """The lines of OpenAI's batch input for every request that the cache lacks, once, by cache key.

    A request's ``custom_id`` is its cache key, so that replies are matched in any order.
    """
    base_url, spoken = base_url_of(settings), spoken_dialect(settings, cache)
    made = (payload(request, settings, spoken) for request in requests)
    bodies = {request_key(base_url, encoded(body)): body for body in made}
    with ReplyCache(cache) as store:
        held = store.get(list(bodies))
    return {
        key: json.dumps({"custom_id": key, "method": "POST", "url": ENDPOINT, "body": body})
        for key, body in bodies.items()
        if key not in held
    }


def spoken_dialect(settings: Endpoint, cache: Path) -> Dialect:
    """The model's request format, as far as the cache knows it from refusals."""
    with ReplyCache(cache) as store:
        return store.dialect(base_url_of(settings), settings.model or "") or usual_dialect(settings)


def write_batch(requests: Sequence[Request], settings: Endpoint, cache: Path, file: Path) -> int:
    """Write every request that the cache lacks as one batch input file (JSON lines); how many there are."""
    lines = batch_lines(requests, settings, cache)
    write_text(file, "".join(f"{line}\n" for line in lines.values()), private=True)
    return len(lines)


def submit_batch(file: Path, settings: Endpoint, tag: str = "") -> str:
    """Upload the file and start the batch; its id, to be kept for ``collect_batch``.

    ``tag`` is kept with the batch, so that ``find_batch`` can find it again.
    """
    from openai import OpenAIError

    try:
        with _client(settings) as client:
            with file.open("rb") as data:
                uploaded = client.files.create(file=data, purpose="batch")
            batch = client.batches.create(
                input_file_id=uploaded.id,
                endpoint=ENDPOINT,  # type: ignore[arg-type]
                completion_window="24h",
                metadata={TAG: tag} if tag else None,
            )
    except OpenAIError as error:
        raise EndpointError(f"The batch {file} could not be submitted: {error}") from error
    return batch.id


def find_batch(settings: Endpoint, tag: str) -> str | None:
    """The id of the newest batch with this tag, among the account's last hundred;
    ``None`` when there is none.
    """
    from openai import OpenAIError

    try:
        with _client(settings) as client:
            page = client.batches.list(limit=100)
            return next((b.id for b in page.data if (b.metadata or {}).get(TAG) == tag), None)
    except OpenAIError as error:
        raise EndpointError(f"The batches at {base_url_of(settings)} could not be listed: {error}") from error


def collect_batch(batch_id: str, settings: Endpoint, cache: Path) -> Collected:
    """Put the replies of a finished batch into the cache. Collecting twice changes nothing.

    A batch that was cancelled or expired halfway is collected too: what it did was paid for.
    """
    from openai import OpenAIError

    try:
        with _client(settings) as client:
            batch = client.batches.retrieve(batch_id)
            if batch.status in WORKING:
                counts = batch.request_counts
                return Collected(batch.status, True, counts.completed if counts else 0)
            texts = [client.files.content(i).text for i in (batch.output_file_id, batch.error_file_id) if i]
    except OpenAIError as error:
        raise EndpointError(f"The batch {batch_id} could not be collected: {error}") from error
    stored, failed, refused = store_results("\n".join(texts), cache)
    said = [error.message or "" for error in (batch.errors.data or [])] if batch.errors else []
    return Collected(batch.status, False, stored, stored, failed, refused, "; ".join(said[:3]))


def _client(settings: Endpoint) -> OpenAI:
    from openai import DefaultHttpxClient, OpenAI

    url = base_url_of(settings).partition("?")[0]
    # Certificates take a quarter of a second to load, and plain HTTP has no use for them.
    http = DefaultHttpxClient(verify=False) if url.startswith("http://") else None
    return OpenAI(
        api_key=key_of(settings),
        base_url=url,
        timeout=settings.timeout,
        http_client=http,
        default_headers={"Authorization": authorization_of(settings)},
        default_query=dict(query_of(settings)),
    )


def store_results(text: str, cache: Path) -> tuple[int, dict[str, str], dict[str, str]]:
    """Replies of a batch's output and error files (JSON lines) into the cache.

    How many there were; the reasons by key of those to be sent again; and of those that the endpoint refused.
    """
    stored = 0
    failed: dict[str, str] = {}
    refused: dict[str, str] = {}
    with ReplyCache(cache) as store:
        for row in map(_row, filter(str.strip, text.splitlines())):
            if row is None:
                continue  # a line that is none was not delivered; its request has no reply, and is sent again
            key, response = str(row["custom_id"]), _object(row.get("response"))
            status = response.get("status_code")
            reply = read_reply(_line(response.get("body")), None) if status == 200 else None
            if isinstance(reply, Reply):
                store.put(key, reply)
                stored += 1
            elif isinstance(status, int) and 400 <= status < 500 and status not in RETRIED:
                refused[key] = f"HTTP {status}: {_reason(row, response)}"
            elif isinstance(reply, Fault) and not reply.again:
                refused[key] = reply.reason
            else:
                failed[key] = _reason(row, response)
    return stored, failed, refused


def _row(line: str) -> Json | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "custom_id" in row else None


def _reason(row: dict[str, object], response: dict[str, object]) -> str:
    """What a batch says of a request that failed, on one line."""
    return said_in(_line(row.get("error") or response.get("body") or "no chat completion"))


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _line(value: object) -> bytes:
    """JSON of what was read from JSON; nothing of what is too deep to be written again."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b""
