"""A request to an endpoint, and its reply."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import orjson

from handpicked.errors import ConfigError, MissingPart
from handpicked.records import Message
from handpicked.secrets import QUERY_NAMES, protect, protect_address
from handpicked.store import utf8

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Address(Protocol):
    """Where an endpoint is, and which environment variable holds its key."""

    @property
    def base_url(self) -> str | None: ...
    @property
    def key_env(self) -> str: ...


class Endpoint(Address, Protocol):
    """Where requests go and how fast; ``config.JudgeSettings`` is one."""

    @property
    def model(self) -> str | None: ...
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
    this time; ``attempts`` counts sendings this time; ``lost`` says that nothing came for a reason that may
    pass; ``mended`` counts characters that were not Unicode and are U+FFFD in ``text``.
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
    mended: int = 0


def base_url_of(settings: Address) -> str:
    """The endpoint's address for messages and identities: the settings', else ``OPENAI_BASE_URL``, else
    OpenAI's. It has no password and no keys; ``url_of`` is the one that requests go to.

    Raises ConfigError when it is not an HTTP address.
    """
    parts = _split(settings)
    query = [(name, value) for name, value in parse_qsl(parts.query, True) if not QUERY_NAMES.search(name)]
    return urlunsplit((parts.scheme, _host(parts), parts.path, urlencode(query), ""))


def url_of(settings: Address, path: str) -> str:
    """Where requests for ``path`` go: below the endpoint's address, with its query (``?api-version=...``)."""
    parts = _split(settings)
    return urlunsplit((parts.scheme, _host(parts), f"{parts.path}/{path}", parts.query, ""))


def query_of(settings: Address) -> dict[str, str]:
    """The query that the endpoint's address has, keys included."""
    return dict(parse_qsl(_split(settings).query, True))


def _split(settings: Address) -> SplitResult:
    return _parts(settings.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL)


@lru_cache(maxsize=64)
def _parts(url: str) -> SplitResult:
    protect_address(url)
    try:
        url.encode()
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, half an IPv6 address
        usable = False
    if not usable:
        raise ConfigError(
            f"base_url: {url!r} is not an address of an endpoint; such as http://localhost:8000/v1."
        )
    return parts._replace(path=parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/"))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def key_of(settings: Address) -> str:
    """The key from the environment. An endpoint on this machine may go without.

    Blanks and line ends around it are dropped. Raises MissingPart when the variable is not set, ConfigError
    when no HTTP header can carry its value.
    """
    key = header_value(settings.key_env)
    protect(key)
    if key:
        return key
    parts = _split(settings)
    if parts.hostname in LOCAL_HOSTS or parts.password or base_url_of(settings) != _whole(parts):
        return NO_KEY
    raise MissingPart(
        f"No key for {base_url_of(settings)}: the environment variable {settings.key_env} is not set. "
        "Export it, or name another variable (--key-env; key_env in a file)."
    )


def header_value(variable: str) -> str:
    """The value of an environment variable as a header can carry it, ``""`` where it is not set; blanks and
    line ends around it are dropped. Raises ConfigError for one that no header can carry.
    """
    raw = os.environ.get(variable, "")
    value = raw.strip()
    if not all("!" <= character <= "~" for character in value):
        protect(raw, value)
        raise ConfigError(
            f"The key in the environment variable {variable} holds a line end, a blank or "
            "another character that no key has "
            "and no HTTP header can carry. Set it again, to the key alone."
        )
    return value


def _whole(parts: SplitResult) -> str:
    """The address as it was given, in the spelling of ``base_url_of``."""
    query = urlencode(parse_qsl(parts.query, True))
    return urlunsplit((parts.scheme, _host(parts), parts.path, query, ""))


def authorization_of(settings: Address) -> str:
    """The Authorization header: by the user and password of the address where it has them, else by the key."""
    key, parts = key_of(settings), _split(settings)
    if not parts.password:
        return f"Bearer {key}"
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
    basic = base64.b64encode(pair.encode()).decode()
    protect(basic)
    return f"Basic {basic}"


def key_header(settings: Address) -> dict[str, str]:
    """The header ``api-key``, in which Azure wants the key of a deployment."""
    parts = _split(settings)
    azure = (parts.hostname or "").endswith(".azure.com") or "/openai/deployments/" in f"{parts.path}/"
    return {"api-key": key_of(settings)} if azure and not parts.password else {}


Limit = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The request format of a model: its name for the limit of the reply, and the settings that it does not
    accept.

    ``system`` among them means that a system prompt goes before the user's text. ``stream``: it only answers by
    a stream of events.
    """

    limit: Limit
    left_out: tuple[str, ...] = ()
    stream: bool = False


def usual_dialect(settings: Address) -> Dialect:
    """OpenAI's newer models refuse max_tokens; other servers may know only that."""
    return Dialect("max_completion_tokens" if base_url_of(settings) == OPENAI_URL else "max_tokens")


def payload(request: Request, settings: Endpoint, dialect: Dialect | None = None) -> dict[str, object]:
    """The JSON body of a request. Everything that changes the reply is in it, so it is the cache key as well.

    ``dialect`` (default: the usual one of this endpoint) names the limit. Lone surrogates, which JSON files
    can carry and UTF-8 cannot, become U+FFFD.
    """
    spoken = dialect or usual_dialect(settings)
    if not settings.model:
        raise ConfigError(f"The endpoint {base_url_of(settings)} needs the name of a model (model: NAME).")
    body: dict[str, object] = {
        "model": utf8(settings.model),
        "messages": [
            {"role": utf8(m.role), "content": utf8(m.content)}
            for m in (_without_system(request.messages) if "system" in spoken.left_out else request.messages)
        ],
        spoken.limit: request.max_tokens,
    }
    for name in ("temperature", "top_p", "seed"):
        value = getattr(request, name)
        if value is not None and name not in spoken.left_out:
            body[name] = value
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    if spoken.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _without_system(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages with the system prompt before the text of the first user's turn."""
    if len(messages) < 2 or messages[0].role != "system":
        return messages
    first = replace(messages[1], content=f"{messages[0].content}\n\n{messages[1].content}")
    return (first, *messages[2:])


def encoded(body: Mapping[str, object]) -> bytes:
    """A body as it is sent and as its key is made of it: JSON in UTF-8, keys sorted, so that
    equal bodies are equal bytes.
    """
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
