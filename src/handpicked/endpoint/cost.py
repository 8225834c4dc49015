"""The cost of requests: an estimate before the first is sent, and a limit that is never exceeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handpicked.endpoint.request import Endpoint, Request
from handpicked.errors import ConfigError

REPLY_SECONDS = 4.0
"""Seconds until an endpoint has replied, for estimates."""
BYTES_A_TOKEN = 3
"""English text has about 4 bytes a token; 3 keeps the estimate on the high side."""


@dataclass(frozen=True, slots=True)
class Expense:
    """Requests to be sent and the most they can cost. ``low`` has empty replies, ``high`` replies of
    ``max_tokens``.

    Tokens are estimated at three bytes each. Dollars are ``None`` where no prices are given.
    """

    requests: int
    prompt_tokens: int
    reply_tokens: int
    low: float | None
    high: float | None


def prompt_tokens(request: Request) -> int:
    """An upper guess of the prompt's tokens, without the model's tokenizer."""
    size = sum(len(m.content.encode("utf-8", "replace")) for m in request.messages)
    return size // BYTES_A_TOKEN + 8 * len(request.messages)


def price(prompt: int | None, reply: int | None, settings: Endpoint) -> float | None:
    """US dollars for these tokens; ``None`` when a price or a count is missing."""
    if settings.price_in is None or settings.price_out is None or prompt is None or reply is None:
        return None
    return (prompt * settings.price_in + reply * settings.price_out) / 1e6


def estimate(requests: Sequence[Request], settings: Endpoint) -> Expense:
    """The cost of these requests if each is sent once."""
    prompt = sum(prompt_tokens(request) for request in requests)
    reply = sum(request.max_tokens for request in requests)
    return Expense(len(requests), prompt, reply, price(prompt, 0, settings), price(prompt, reply, settings))


class Budget:
    """Admits a request only while the worst it can cost still fits below ``max_cost``."""

    def __init__(self, settings: Endpoint) -> None:
        if settings.max_cost is not None and (settings.price_in is None or settings.price_out is None):
            raise ConfigError(
                "max_cost needs price_in and price_out (US dollars per million tokens) to be counted."
            )
        self.settings = settings
        self.spent = 0.0
        self._reserved = 0.0

    def reserve(self, request: Request) -> float | None:
        """Dollars set aside for one attempt, or ``None`` when they no longer fit."""
        limit = self.settings.max_cost
        if limit is None:
            return 0.0
        worst = price(prompt_tokens(request), request.max_tokens, self.settings) or 0.0
        if self.spent + self._reserved + worst > limit:
            return None
        self._reserved += worst
        return worst

    def settle(self, reserved: float, cost: float) -> None:
        """Replace what was set aside by what was paid."""
        self._reserved -= reserved
        self.spent += cost
