"""One request over HTTP, and what its answer means: a reply, or a fault and whether to try again.

aiohttp carries the requests: per request it takes a fifth of the processor time of the openai client with its own
transport, a third with its aiohttp transport (benchmarks/judge.py), and 64 requests in flight at 200 ms each leave 3 ms
for one. Files and batches, which are few, go through the openai client (``endpoint.batch``).
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from handpicked._version import __version__
from handpicked.endpoint.request import Endpoint, Reply, base_url_of

if TYPE_CHECKING:
    from aiohttp import ClientSession

HOPELESS = {
    401: "refused the key",
    403: "refused access",
    404: "does not know this model or address",
}
RETRIED = frozenset({408, 409, 425, 429})
ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
"""Headers that the openai client takes from the environment, and so do we."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt failed.

    ``after`` is the server's Retry-After in seconds; ``rate`` marks a 429; ``hopeless`` says that no request can succeed;
    ``maybe_paid`` that the endpoint may have worked for us all the same, and will charge for it.
    """

    reason: str
    again: bool = True
    rate: bool = False
    after: float | None = None
    hopeless: str | None = None
    maybe_paid: bool = False


def session(settings: Endpoint, key: str) -> ClientSession:
    """A session for this endpoint, to be closed by ``async with``; it keeps as many connections as are in flight."""
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    account = {header: value for header, name in ACCOUNT.items() if (value := os.environ.get(name))}
    return ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=settings.timeout),
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "User-Agent": f"handpicked/{__version__}",
            **account,
        },
        proxy=_proxy(base_url_of(settings)),
    )


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address (HTTPS_PROXY, NO_PROXY and the like)."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def post(http: ClientSession, settings: Endpoint, body: bytes) -> Reply | Fault:
    """Send one chat completion, its body as ``request.encoded`` makes it."""
    from aiohttp import ClientError

    url, started = f"{base_url_of(settings)}/chat/completions", time.perf_counter()
    try:
        async with http.post(url, data=body, allow_redirects=False) as response:
            content = await response.read()
    except asyncio.TimeoutError:
        return Fault(f"no reply within {settings.timeout:g} seconds", maybe_paid=True)
    except ClientError as error:
        return Fault(f"connection failed ({_root(error)})", maybe_paid=True)
    if response.status == 200:
        return read_reply(content, time.perf_counter() - started)
    return _status(response.status, response.headers, content)


def read_reply(content: str | bytes, seconds: float | None) -> Reply | Fault:
    """The body of a 200. What is not a chat completion is a fault of the way there, and is tried again."""
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        message, usage = choice["message"], body.get("usage") or {}
        text = message.get("content") or ""
        entries = (choice.get("logprobs") or {}).get("content")
        logprobs = None if entries is None else tuple(_alternatives(entry) for entry in entries)
        return Reply(
            text=text,
            prompt_tokens=usage.get("prompt_tokens"),
            reply_tokens=usage.get("completion_tokens"),
            seconds=None if seconds is None else round(seconds, 4),
            logprobs=logprobs,
            finished=choice.get("finish_reason") != "length",
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return Fault("the reply is no chat completion", maybe_paid=True)


def _alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {str(e["token"]): float(e["logprob"]) for e in entry.get("top_logprobs") or ()}
    return found or {str(entry["token"]): float(entry["logprob"])}


def _status(code: int, headers: Mapping[str, str], content: bytes) -> Fault:
    reason, detail = f"HTTP {code}", _detail(content)
    if code in HOPELESS or (code == 429 and "insufficient_quota" in detail):
        why = HOPELESS.get(code, "says that the account has no credit left")
        return Fault(reason, again=False, hopeless=f"{why} (HTTP {code}: {detail})")
    if code in RETRIED or code >= 500:
        return Fault(reason, rate=code == 429, after=_retry_after(headers))
    return Fault(f"{reason}: {detail}", again=False)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date); ``None`` when absent or
    senseless.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) * unit)
        except ValueError:
            parsed = email.utils.parsedate_tz(value)
            if parsed is not None:
                return max(0.0, email.utils.mktime_tz(parsed) - time.time())
    return None


def _detail(content: bytes) -> str:
    """What the endpoint says of an error, on one line: OpenAI's shape (``error.message``, ``error.code``), or any text."""
    text = content.decode("utf-8", "replace")
    code = None
    try:
        body = json.loads(text)
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, dict):
            code = error.get("code")
            text = str(error.get("message") or code or error)
        else:
            text = str(error)
    except ValueError:
        pass
    return " ".join((f"{code}: {text}" if code else text).split())[:300]


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
