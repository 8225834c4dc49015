"""Sending: the openai client, with retries that change the timing of a request and never its sampling."""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from handpicked.endpoint.cache import ReplyCache, request_key
from handpicked.endpoint.cost import Budget, estimate, price
from handpicked.endpoint.request import Endpoint, Reply, Request, base_url_of, key_of, payload
from handpicked.endpoint.throttle import Throttle
from handpicked.errors import EndpointError
from handpicked.progress import SILENT, Progress

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

log = logging.getLogger(__name__)
T = TypeVar("T")

WORKERS_A_CLIENT = 16
"""A client looks through all its connections for every request, so many small clients are faster than one."""
HOPELESS = {
    401: "refused the key",
    403: "refused access",
    404: "does not know this model or address",
}
RETRIED = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class Retry:
    """Patience. Pauses double from ``first_pause`` to ``longest_pause`` seconds; a Retry-After is obeyed
    instead.

    ``attempts`` are for faults, ``rate_limited`` for 429s; a Retry-After above ``longest_wait`` seconds ends
    the run.
    """

    attempts: int = 6
    rate_limited: int = 30
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_wait: float = 600.0

    def pause(self, failures: int) -> float:
        """Seconds before the next attempt after so many failures."""
        return float(min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1)))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt failed. ``after`` is the server's Retry-After in seconds; ``rate`` marks a 429."""

    reason: str
    again: bool = True
    rate: bool = False
    after: float | None = None


def complete(
    requests: Sequence[Request],
    settings: Endpoint,
    cache: Path,
    progress: Progress = SILENT,
    *,
    label: str = "requests",
    retry: Retry = Retry(),
) -> list[Reply]:
    """One Reply a request, in order; what ``cache`` (a SQLite file) holds is not sent again.

    A request that fails for good gives a Reply without text and with the reason. Works inside a running event
    loop too.

    Raises MissingPart without a key; EndpointError when going on cannot help (key or model refused, endpoint
    away, ``max_cost`` reached): whatever was paid for is in the cache by then, and the same call again goes
    on from there.
    """
    base_url, key = base_url_of(settings), key_of(settings)
    bodies = [payload(request, settings) for request in requests]
    keys = [request_key(base_url, body) for body in bodies]
    with ReplyCache(cache) as store, progress(label, len(requests)) as step:
        replies = store.get(list(dict.fromkeys(keys)))
        todo = {k: (r, b) for k, r, b in zip(keys, requests, bodies, strict=True) if k not in replies}
        step(sum(k in replies for k in keys))
        if todo:
            sender = _Sender(settings, store, retry, step, Counter(keys), key)
            sender.announce([request for request, _ in todo.values()])
            replies |= _run(sender.send_all(todo))
    return [_priced(replies[k], settings) for k in keys]


def _priced(reply: Reply, settings: Endpoint) -> Reply:
    return replace(reply, cost=price(reply.prompt_tokens, reply.reply_tokens, settings))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end from sync code, also where an event loop is already running (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class _Sender:
    """One call of ``complete``: the state that its workers share."""

    def __init__(
        self,
        settings: Endpoint,
        store: ReplyCache,
        retry: Retry,
        step: Callable[[float], None],
        copies: Mapping[str, int],
        key: str,
    ) -> None:
        self.settings, self.store, self.retry, self.step, self.copies = settings, store, retry, step, copies
        self._key = key
        self.budget = Budget(settings)
        self.replies: dict[str, Reply] = {}
        self.faults: Counter[str] = Counter()
        self.fatal: str | None = None
        self._answered = 0
        self._lost_in_a_row = 0

    def announce(self, requests: Sequence[Request]) -> None:
        """Log the estimate, and refuse what must pass ``max_cost`` even if every reply were empty."""
        expense, limit = estimate(requests, self.settings), self.settings.max_cost
        dollars = "" if expense.high is None else f", {expense.low:.2f} to {expense.high:.2f} US dollars"
        log.info(
            "%d requests to %s (%s): about %d prompt tokens, at most %d reply tokens%s",
            expense.requests,
            base_url_of(self.settings),
            self.settings.model,
            expense.prompt_tokens,
            expense.reply_tokens,
            dollars,
        )
        if limit is not None and expense.low is not None and expense.low > limit:
            raise EndpointError(
                f"{expense.requests} requests to {self.settings.model} would cost about {expense.low:.2f} to "
                f"{expense.high:.2f} US dollars, more than max_cost = {limit:.2f}. Nothing was sent. "
                f"Raise max_cost or send fewer."
            )

    async def send_all(self, todo: Mapping[str, tuple[Request, dict[str, Any]]]) -> dict[str, Reply]:
        """Send everything once, with ``concurrency`` workers at most; what is in flight when one gives up is
        kept.
        """
        self.throttle = Throttle(self.settings.concurrency)
        queue = iter(todo.items())
        workers = min(self.settings.concurrency, len(todo))
        async with AsyncExitStack() as stack:
            count = -(-workers // WORKERS_A_CLIENT)
            clients = [await stack.enter_async_context(self._client()) for _ in range(count)]
            await asyncio.gather(*(self._work(clients[i % len(clients)], queue) for i in range(workers)))
        if self.faults:
            log.warning("faults at %s: %s", base_url_of(self.settings), dict(self.faults))
        if self.fatal is not None:
            message = self.fatal.replace(self._key, "***")
            came = sum(reply.text is not None for reply in self.replies.values())
            raise EndpointError(
                f"{message} {came} of {len(todo)} replies came and are kept: "
                f"run the same command again and only the others are sent."
            )
        return self.replies

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        url = base_url_of(self.settings)
        # Certificates take longer to load than a local server to answer, and plain HTTP has no use for them.
        plain = url.startswith("http://")
        http = DefaultAsyncHttpxClient(verify=False, follow_redirects=False) if plain else None
        return AsyncOpenAI(
            api_key=self._key, base_url=url, timeout=self.settings.timeout, max_retries=0, http_client=http
        )

    async def _work(
        self, client: AsyncOpenAI, queue: Iterator[tuple[str, tuple[Request, dict[str, Any]]]]
    ) -> None:
        for key, (request, body) in queue:
            reply = await self._one(client, key, request, body)
            if reply is None:
                return
            self.replies[key] = reply
            self.step(self.copies[key])
            if self.fatal is not None:
                return

    async def _one(
        self, client: AsyncOpenAI, key: str, request: Request, body: Mapping[str, Any]
    ) -> Reply | None:
        """Try until there is a reply or no more patience; ``None`` when the whole call must stop."""
        failures = limited = 0
        while self.fatal is None:
            entered = await self.throttle.enter()
            outcome: Reply | Fault | None = None
            try:
                outcome = await self._attempt(client, key, request, body)
            finally:
                await self.throttle.leave(success=isinstance(outcome, Reply))
            if outcome is None:
                return None
            attempts = failures + limited + 1
            if isinstance(outcome, Reply):
                self._answered += 1
                self._lost_in_a_row = 0
                return replace(outcome, attempts=attempts)
            self.faults[outcome.reason] += 1
            failures, limited = failures + (not outcome.rate), limited + outcome.rate
            if not outcome.again:
                return Reply(None, outcome.reason, attempts=attempts)
            if failures >= self.retry.attempts or limited >= self.retry.rate_limited:
                return self._give_up(outcome, attempts)
            await self._wait(outcome, entered, failures if not outcome.rate else limited)
        return None

    async def _wait(self, fault: Fault, entered: float, failures: int) -> None:
        pause = self.retry.pause(failures) if fault.after is None else fault.after
        if pause > self.retry.longest_wait:
            self.fatal = f"{base_url_of(self.settings)} asks to wait {pause:.0f} seconds ({fault.reason})."
        elif fault.rate:
            self.throttle.slow_down(entered, pause)
        else:
            await asyncio.sleep(pause)

    def _give_up(self, fault: Fault, attempts: int) -> Reply | None:
        """One request is lost; when nothing but losses comes, the endpoint is away and the call stops."""
        self._lost_in_a_row += 1
        if self._answered == 0 or self._lost_in_a_row >= max(8, self.settings.concurrency):
            self.fatal = f"{base_url_of(self.settings)} does not answer: {fault.reason}, {attempts} times."
            return None
        return Reply(None, f"{fault.reason}, {attempts} times", attempts=attempts)

    async def _attempt(
        self, client: AsyncOpenAI, key: str, request: Request, body: Mapping[str, Any]
    ) -> Reply | Fault | None:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        reserved = self.budget.reserve(request)
        if reserved is None:
            self.fatal = (
                f"max_cost = {self.settings.max_cost} US dollars is reached "
                f"({self.budget.spent:.2f} spent by this command)."
            )
            return None
        cost, started = 0.0, time.perf_counter()
        try:
            # The body as text: building the client's typed objects costs more than all the rest, and cannot
            # hold garbage.
            content = await client.post("/chat/completions", body=body, cast_to=str)
            reply = read_reply(content, time.perf_counter() - started)
            if isinstance(reply, Reply):
                self._keep(key, reply)
                cost = price(reply.prompt_tokens, reply.reply_tokens, self.settings) or 0.0
            return reply
        except APITimeoutError:
            cost = reserved  # the endpoint may have worked for us, and will charge for it
            return Fault(f"no reply within {self.settings.timeout:g} seconds")
        except APIConnectionError as error:
            cost = reserved
            return Fault(f"connection failed ({_root(error)})")
        except APIStatusError as error:
            return self._status(error)
        finally:
            self.budget.settle(reserved, cost)

    def _keep(self, key: str, reply: Reply) -> None:
        try:
            self.store.put(key, reply)
        except sqlite3.Error as error:
            self.fatal = f"The request cache cannot be written ({error}), so replies would be paid for twice."

    def _status(self, error: APIStatusError) -> Fault:
        code = error.status_code
        reason = f"HTTP {code}"
        detail = _detail(error)
        if code in HOPELESS or (code == 429 and "insufficient_quota" in detail):
            why = HOPELESS.get(code, "says that the account has no credit left")
            self.fatal = f"{base_url_of(self.settings)} {why} (HTTP {code}: {detail})."
            return Fault(reason, again=False)
        if code in RETRIED or code >= 500:
            return Fault(reason, rate=code == 429, after=_retry_after(error.response.headers))
        return Fault(f"{reason}: {detail}", again=False)


def read_reply(content: str, seconds: float | None) -> Reply | Fault:
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
        return Fault("the reply is no chat completion")


def _alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    found = {str(e["token"]): float(e["logprob"]) for e in entry.get("top_logprobs") or ()}
    return found or {str(entry["token"]): float(entry["logprob"])}


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


def _detail(error: APIStatusError) -> str:
    body = error.body
    text = (
        str(body.get("message") or body.get("code") or body) if isinstance(body, dict) else str(body or error)
    )
    code = body.get("code") if isinstance(body, dict) else None
    return " ".join((f"{code}: {text}" if code else text).split())[:300]


def _root(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__
