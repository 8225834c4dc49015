"""Sends many requests at once; a retry changes the timing of a request, never its sampling."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from handpicked.endpoint.cache import ReplyCache, request_key
from handpicked.endpoint.cost import Budget, estimate, price
from handpicked.endpoint.refusals import Refusals, learnt
from handpicked.endpoint.request import (
    Dialect,
    Endpoint,
    Reply,
    Request,
    base_url_of,
    encoded,
    key_of,
    payload,
    usual_dialect,
)
from handpicked.endpoint.sync import run_to_end
from handpicked.endpoint.throttle import Throttle
from handpicked.endpoint.wire import Fault, post, session
from handpicked.errors import EndpointError
from handpicked.progress import SILENT, Progress

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """When to retry. Pauses double from ``first_pause`` to ``longest_pause`` seconds; a Retry-After is obeyed
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
        """Seconds before the next attempt after this many failures."""
        return float(min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1)))


def complete(
    requests: Sequence[Request],
    settings: Endpoint,
    cache: Path,
    progress: Progress = SILENT,
    *,
    label: str = "requests",
    retry: Retry = Retry(),
    budget: Budget | None = None,
    known_as: str | None = None,
) -> list[Reply]:
    """One Reply a request, in order; what ``cache`` (a SQLite file) holds is not sent again.

    Replies are kept under ``known_as`` (default: the address), for a server whose address is another each time.

    A request that fails for good gives a Reply without text and with the reason. Works inside a running event
    loop too.

    Raises MissingPart without a key; EndpointError when going on cannot help (key or model refused, every
    request refused, endpoint away, ``max_cost`` reached). All paid replies are in the cache by then, and the
    same call resumes from there.
    """
    known_as = known_as or base_url_of(settings)
    key_of(settings)
    with ReplyCache(cache) as store, progress(label, len(requests)) as step:
        dialect = store.dialect(known_as, settings.model or "") or usual_dialect(settings)
        bodies = [encoded(payload(request, settings, dialect)) for request in requests]
        keys = [request_key(known_as, body) for body in bodies]
        replies = store.get(list(dict.fromkeys(keys)))
        todo = {k: (r, b) for k, r, b in zip(keys, requests, bodies, strict=True) if k not in replies}
        step(sum(k in replies for k in keys))
        if todo:
            kept = _Kept(store, known_as, settings.model or "")
            sender = _Sender(settings, kept, retry, step, Counter(keys), dialect, budget or Budget(settings))
            sender.announce([request for request, _ in todo.values()])
            sender.refusals.answered = bool(replies)
            replies |= run_to_end(sender.send_all(todo))
    return [_priced(replies[k], settings) for k in keys]


def all_known(requests: Sequence[Request], settings: Endpoint, cache: Path, known_as: str) -> bool:
    """Whether ``complete`` would send nothing."""
    with ReplyCache(cache) as store:
        dialect = store.dialect(known_as, settings.model or "") or usual_dialect(settings)
        bodies = {encoded(payload(request, settings, dialect)) for request in requests}
        keys = [request_key(known_as, body) for body in bodies]
        return len(store.get(keys)) == len(keys)


@dataclass(frozen=True)
class _Kept:
    """Where the replies of one model are kept, and under which address."""

    store: ReplyCache
    address: str
    model: str


def _format(dialect: Dialect) -> str:
    """A request format in words."""
    own = [name for name in dialect.left_out if name != "system"]
    return ", ".join(
        [
            dialect.limit,
            *([f"with its own {' and '.join(own)}"] if own else []),
            *(["the system prompt before the user's text"] if "system" in dialect.left_out else []),
            *(["the reply as a stream"] if dialect.stream else []),
        ]
    )


def _priced(reply: Reply, settings: Endpoint) -> Reply:
    cost = price(reply.prompt_tokens, reply.reply_tokens, settings)
    return reply if cost == reply.cost else replace(reply, cost=cost)


class _Sender:
    """One call of ``complete``: the state that its workers share."""

    def __init__(
        self,
        settings: Endpoint,
        kept: _Kept,
        retry: Retry,
        step: Callable[[float], None],
        copies: Mapping[str, int],
        dialect: Dialect,
        budget: Budget,
    ) -> None:
        self.settings, self.kept, self.retry, self.step, self.copies = settings, kept, retry, step, copies
        self.store = kept.store
        self.base_url = base_url_of(settings)
        self.dialect, self.budget = dialect, budget
        self._usual, self._tried = dialect, {dialect}
        self.refusals = Refusals(settings)
        self.replies: dict[str, Reply] = {}
        self.faults: Counter[str] = Counter()
        self.fatal: str | None = None
        self._answered = 0
        self._lost_in_a_row = 0
        self._settled = False

    def announce(self, requests: Sequence[Request]) -> None:
        """Log the estimate, and refuse what must pass ``max_cost`` even if every reply were empty."""
        expense = estimate(requests, self.settings)
        limit = None if self.settings.max_cost is None else self.settings.max_cost - self.budget.spent
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

    async def send_all(self, todo: Mapping[str, tuple[Request, bytes]]) -> dict[str, Reply]:
        """Send everything once, with ``concurrency`` workers at most; what is in flight when one gives up is
        kept.
        """
        self.throttle = Throttle(self.settings.concurrency)
        queue = iter(todo.items())
        workers = min(self.settings.concurrency, len(todo))
        async with session(self.settings) as http:
            await asyncio.gather(*(self._work(http, queue) for _ in range(workers)))
        if self.faults:
            log.warning("faults at %s: %s", self.base_url, dict(self.faults.most_common(20)))
        mended = [reply.mended for reply in self.replies.values() if reply.mended]
        if mended:
            log.warning(
                "%d invalid characters in %d replies were replaced by U+FFFD", sum(mended), len(mended)
            )
        self.fatal = self.fatal or self.refusals.of_all()
        if self.fatal is not None:
            came = sum(reply.text is not None for reply in self.replies.values())
            raise EndpointError(
                f"{self.fatal} {came} of {len(todo)} replies came and are kept: "
                f"run the same command again to send only the others."
            )
        return self.replies

    async def _work(self, http: ClientSession, queue: Iterator[tuple[str, tuple[Request, bytes]]]) -> None:
        for key, (request, body) in queue:
            reply = await self._one(http, key, request, body)
            if reply is None:
                return
            self.replies[key] = reply
            self.step(self.copies[key])
            if self.fatal is not None:
                return
        if not self._settled:
            # Nothing is left to send: while the last replies are on their way the disk costs no time.
            self._settled = True
            self.store.settle()

    async def _one(self, http: ClientSession, key: str, request: Request, body: bytes) -> Reply | None:
        """Try until there is a reply or no attempt is left; ``None`` when the whole call must stop."""
        failures = limited = 0
        spoken = self._usual
        while self.fatal is None:
            if spoken != self.dialect:  # another request has learnt the model's format
                spoken = self.dialect
                key, body, known = self._in_other_words(request)
                if known is not None:
                    return known
            entered = await self.throttle.enter()
            outcome: Reply | Fault | None = None
            try:
                outcome = await self._attempt(http, key, request, body)
            finally:
                await self.throttle.leave(success=isinstance(outcome, Reply))
            if outcome is None:
                return None
            attempts = failures + limited + 1
            if isinstance(outcome, Reply):
                self._answered += 1
                self._lost_in_a_row = 0
                self.refusals.passed(outcome)
                return replace(outcome, attempts=attempts)
            self.faults[outcome.reason] += 1
            if self._learns(outcome, spoken, request):
                continue
            if outcome.hopeless:
                self.fatal = f"{self.base_url} {outcome.hopeless}."
            failures, limited = failures + (not outcome.rate), limited + outcome.rate
            if not outcome.again:
                self.fatal = self.fatal or self.refusals.add(outcome)
                return Reply(None, outcome.reason, attempts=attempts)
            if failures >= self.retry.attempts or limited >= self.retry.rate_limited:
                return self._give_up(outcome, attempts)
            await self._wait(outcome, entered, failures if not outcome.rate else limited)
        return None

    def _learns(self, fault: Fault, spoken: Dialect, request: Request) -> bool:
        """Whether a refusal names the format that the model wants, or another refusal has done so meanwhile."""
        found = learnt(fault, spoken, request)
        if found is None:
            return False
        if spoken == self.dialect:
            if found in self._tried:  # it refuses either way
                return False
            self.dialect = found
            self._tried.add(found)
            self.store.learn(self.kept.address, self.kept.model, found)
            log.warning("%s wants %s: %s", self.settings.model, _format(found), fault.said)
        return True

    def _in_other_words(self, request: Request) -> tuple[str, bytes, Reply | None]:
        """The key and the body of a request in the learnt format, and its reply if the cache has it."""
        body = encoded(payload(request, self.settings, self.dialect))
        key = request_key(self.kept.address, body)
        return key, body, self.store.get([key]).get(key)

    async def _wait(self, fault: Fault, entered: float, failures: int) -> None:
        pause = self.retry.pause(failures) if fault.after is None else fault.after
        if pause > self.retry.longest_wait:
            self.fatal = f"{self.base_url} asks to wait {pause:.0f} seconds ({fault.reason})."
        elif fault.rate:
            self.throttle.slow_down(entered, pause)
        else:
            await asyncio.sleep(pause)

    def _give_up(self, fault: Fault, attempts: int) -> Reply | None:
        """One request is lost; when nothing but losses comes, the endpoint is away and the call stops."""
        self._lost_in_a_row += 1
        if self._answered == 0 or self._lost_in_a_row >= max(8, self.settings.concurrency):
            what = "gives no reply that can be used" if fault.answered else "does not answer"
            self.fatal = f"{self.base_url} {what}: {fault.reason}, {attempts} times."
            return None
        return Reply(None, f"{fault.reason}, {attempts} times", attempts=attempts, lost=True)

    async def _attempt(
        self, http: ClientSession, key: str, request: Request, body: bytes
    ) -> Reply | Fault | None:
        reserved = self.budget.reserve(request)
        if reserved is None:
            self.fatal = (
                f"max_cost = {self.settings.max_cost} US dollars is reached "
                f"({self.budget.spent:.2f} spent by this command)."
            )
            return None
        cost = reserved  # until it is known better
        try:
            outcome = await post(http, self.settings, body)
            if isinstance(outcome, Reply):
                self._keep(key, outcome)
                paid = price(outcome.prompt_tokens, outcome.reply_tokens, self.settings)
                cost = reserved if paid is None else paid  # not every endpoint counts the tokens
            elif not outcome.maybe_paid:
                cost = 0.0
            return outcome
        finally:
            self.budget.settle(reserved, cost)

    def _keep(self, key: str, reply: Reply) -> None:
        try:
            self.store.put(key, reply)
        except sqlite3.Error as error:
            self.fatal = f"The request cache cannot be written ({error}), so replies would be paid for twice."
