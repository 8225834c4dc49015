"""Sends one request over HTTP, and decides whether its response is a reply, a fault, or to be tried again.

aiohttp carries the requests: per request it takes a fifth of the processor time of the openai client with its
own transport, a third with its aiohttp transport (benchmarks/judge.py), and 64 requests in flight at 200 ms
each leave 3 ms for one. Files and batches, which are few, go through the openai client (``endpoint.batch``).
"""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from handpicked._version import __version__
from handpicked.endpoint.body import BodyError, read_body
from handpicked.endpoint.reading import NO_CREDIT, WORDS, Unreadable, read_completion, said_in
from handpicked.endpoint.request import (
    Endpoint,
    Reply,
    authorization_of,
    base_url_of,
    header_value,
    key_header,
    url_of,
)
from handpicked.secrets import protect_address, redacted

if TYPE_CHECKING:
    from aiohttp import ClientSession

HOPELESS = {
    401: "refused the key",
    404: "does not know this model or address",
}
RETRIED = frozenset({408, 409, 425, 429})
ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
"""Headers that the openai client takes from the environment, and so do we."""
OF_THIS_REQUEST = (
    *("context_length", "context length", "maximum context", "context window", "too long", "too many tokens"),
    *("content_filter", "content management", "moderation", "flagged"),
)
"""Words of a refusal that is about one request only, so that others may pass."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt failed.

    ``after`` is the server's Retry-After in seconds; ``rate`` marks a 429; ``hopeless`` says that no request
    can succeed; ``maybe_paid`` that the endpoint may charge for it anyway.
    ``said`` is the endpoint's own message; ``alone`` says that it is about this request only; ``answered`` that
    a success came which is no reply.
    """

    reason: str
    again: bool = True
    rate: bool = False
    after: float | None = None
    hopeless: str | None = None
    maybe_paid: bool = False
    said: str = ""
    alone: bool = False
    answered: bool = False


def session(settings: Endpoint) -> ClientSession:
    """A session for this endpoint, to be closed by ``async with``; with TLS it keeps as many
    connections as are in flight.
    """
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    from handpicked.endpoint.connections import OwnReplies

    account = {header: value for header, name in ACCOUNT.items() if (value := header_value(name))}
    # Without TLS a new connection costs 0.15 ms, and has no room for the rest of another reply.
    afresh = base_url_of(settings).startswith("http:")
    return ClientSession(
        connector=TCPConnector(limit=0, force_close=True) if afresh else OwnReplies(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=settings.timeout),
        auto_decompress=False,
        headers={
            "Authorization": authorization_of(settings),
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"handpicked/{__version__}",
            **account,
            **key_header(settings),
        },
        proxy=_proxy(base_url_of(settings)),
    )


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address (HTTPS_PROXY, NO_PROXY and the like)."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    if proxy is not None:
        protect_address(proxy)
    return proxy


async def post(http: ClientSession, settings: Endpoint, body: bytes) -> Reply | Fault:
    """Send one chat completion, its body as ``request.encoded`` makes it."""
    from aiohttp import ClientError
    from aiohttp.http_exceptions import HttpProcessingError

    url, started = url_of(settings, "chat/completions"), time.perf_counter()
    try:
        async with http.post(url, data=body, allow_redirects=False) as response:
            content = await read_body(response)
    except asyncio.TimeoutError:
        return Fault(f"no reply within {settings.timeout:g} seconds", maybe_paid=True)
    except (ClientError, HttpProcessingError, OSError) as error:
        return Fault(f"connection failed ({_root(error)})", maybe_paid=True)
    except BodyError as error:
        return Fault(str(error), again=False, maybe_paid=True)
    if 200 <= response.status < 300:
        return read_reply(content, time.perf_counter() - started)
    return _status(response.status, response.headers, content)


def _status(code: int, headers: Mapping[str, str], content: bytes) -> Fault:
    detail = said_in(content)
    if 300 <= code < 400 and (place := headers.get("Location")):
        detail = f"it moved to {redacted(place)[:WORDS]}; use that address as base_url"
    return fault_of(code, detail, _retry_after(headers))


def fault_of(code: int, detail: str, after: float | None = None) -> Fault:
    """What an HTTP status with these words of the endpoint means."""
    reason = f"HTTP {code}"
    if code in HOPELESS or (code == 429 and NO_CREDIT in detail):
        why = HOPELESS.get(code, "says that the account has no credit left")
        return Fault(reason, again=False, hopeless=f"{why} (HTTP {code}: {detail})")
    if code in RETRIED or code >= 500:
        return Fault(reason, rate=code == 429, after=after)
    lower = detail.lower()
    filtered = "content_filter" in lower or "content management policy" in lower
    why = f"the endpoint's content filter refused the request ({reason}: {detail})"
    return Fault(
        why if filtered else f"{reason}: {detail}" if detail else reason,
        again=False,
        said=detail,
        alone=code == 413 or any(words in lower for words in OF_THIS_REQUEST),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date); ``None`` when absent or
    senseless: at once, in the past, or no number at all.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _seconds_until(value)
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    return None


def _seconds_until(date: str) -> float:
    """Seconds until an HTTP date, NaN where it is none."""
    try:
        parsed = email.utils.parsedate_tz(date)
        return math.nan if parsed is None else email.utils.mktime_tz(parsed) - time.time()
    except (ValueError, OverflowError, IndexError):
        return math.nan


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


def read_reply(content: str | bytes, seconds: float | None) -> Reply | Fault:
    """The body of a 200. What is not a chat completion is a fault of the way there, and is tried again."""
    try:
        found = read_completion(content)
    except Unreadable as error:
        if error.code is not None and not 200 <= error.code < 300:
            return replace(fault_of(error.code, error.said), maybe_paid=True)
        return Fault(str(error), again=error.again, maybe_paid=True, said=error.said, answered=True)
    return replace(found, seconds=None if seconds is None else round(seconds, 4))
