"""What is asked of an endpoint and what comes back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from handpicked.errors import ConfigError, MissingPart
from handpicked.records import Message

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Endpoint(Protocol):
    """Where requests go and how fast; ``config.JudgeSettings`` is one."""

    @property
    def model(self) -> str | None: ...
    @property
    def base_url(self) -> str | None: ...
    @property
    def key_env(self) -> str: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def timeout(self) -> float: ...
    @property
    def max_cost(self) -> float | None: ...
    @property
    def price_in(self) -> float | None: ...
    @property
    def price_out(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One chat completion. Equal requests are sent once; to sample several replies give each its own
    ``seed``.

    ``temperature`` ``None`` leaves it to the endpoint (some reasoning models accept nothing else).
    ``top_logprobs`` asks for that many alternatives at every position of the reply.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = None
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``text`` is ``None`` when nothing usable came, with the ``reason``; an empty reply is
    ``""``.

    ``seconds`` is the time of the successful attempt; ``cost`` is in US dollars, ``None`` where no prices are
    given; ``logprobs`` holds, for each position of the reply, natural-log probabilities of the most likely
    tokens; ``finished`` is false when the reply was cut at ``max_tokens``; ``cached`` says it was not sent
    this time; ``attempts`` counts sendings this time; ``lost`` says that nothing came for a reason that may pass.
    """

    text: str | None
    reason: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None
    logprobs: tuple[Mapping[str, float], ...] | None = None
    finished: bool = True
    cached: bool = False
    attempts: int = 0
    lost: bool = False


def base_url_of(settings: Endpoint) -> str:
    """The endpoint's address: the settings', else ``OPENAI_BASE_URL`` (as the client reads it), else
    OpenAI's.

    Raises ConfigError when it is no HTTP address.
    """
    url = (settings.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"base_url: {url!r} is no address of an endpoint; such as http://localhost:8000/v1."
        )
    return url


def key_of(settings: Endpoint) -> str:
    """The key from the environment. An endpoint on this machine may go without.

    Raises MissingPart when the variable is not set.
    """
    key = os.environ.get(settings.key_env, "")
    if key:
        return key
    url = base_url_of(settings)
    if urlsplit(url).hostname in LOCAL_HOSTS:
        return NO_KEY
    raise MissingPart(
        f"No key for {url}: the environment variable {settings.key_env} is not set. "
        f"Export it, or name another variable with key_env."
    )


def payload(request: Request, settings: Endpoint) -> dict[str, Any]:
    """The JSON body of a request. Everything that changes the reply is in it, so it is the cache key as well.

    Lone surrogates, which JSON files can carry and UTF-8 cannot, become U+FFFD.
    """
    if not settings.model:
        raise ConfigError(f"The endpoint {base_url_of(settings)} needs the name of a model (model: NAME).")
    # OpenAI's newer models refuse max_tokens; other servers know only that.
    limit = "max_completion_tokens" if base_url_of(settings) == OPENAI_URL else "max_tokens"
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": [{"role": m.role, "content": _utf8(m.content)} for m in request.messages],
        limit: request.max_tokens,
    }
    for name in ("temperature", "top_p", "seed"):
        value = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return body


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent and as its key is made of it: JSON in UTF-8, keys sorted, so that equal bodies are equal bytes."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _utf8(text: str) -> str:
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
