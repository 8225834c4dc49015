"""Handles refused requests: learns a model's parameters from one, and stops when all are refused."""

from __future__ import annotations

from dataclasses import replace

from handpicked.endpoint.request import Address, Dialect, Reply, Request, base_url_of
from handpicked.endpoint.wire import Fault

FIRST = 20
"""This many refusals, without any answer, end the call."""
IN_A_ROW = 200
"""This many refusals in a row end it too, even after successes; and, where each refusal is about its own
request, this many of the first requests.
"""
UNSUPPORTED = (
    *(
        "unsupported",
        "not support",
        "n't support",
        "only the default",
        "deprecated",
        "unrecognized",
        "unknown",
    ),
    *("unexpected", "not permitted", "not allowed", "extra inputs", "not available", "not enabled"),
    *("may only be", "only 1 is", "must be 1 ", "must be set to 1", "cannot be set", "must alternate"),
)
"""Words by which an endpoint refuses a setting altogether, and not only its value."""
OPTIONAL = ("temperature", "top_p")
NO_SYSTEM = (
    "system role",
    "'system'",
    '"system"',
    "system message",
    "system prompt",
    "developer instruction",
    "roles must alternate",
)
"""Words by which an endpoint refuses a system prompt, as the chat templates of some models do."""
STREAM_ONLY = (
    "only support stream",
    "only supports stream",
    "stream must be",
    "must be true for stream",
    "set stream to true",
    "enable the stream",
    "non-streaming is not",
    "non-streaming calls",
    "requires streaming",
    "streaming is required",
)
"""Words by which an endpoint says that it answers by a stream only."""


def learnt(fault: Fault, dialect: Dialect, request: Request) -> Dialect | None:
    """The request format that a refusal of ``dialect`` calls for: the other name of the limit, or without a
    setting or a system prompt that the model does not accept, or by a stream. ``None`` where it names none.
    """
    words = fault.said.lower()
    if not dialect.stream and any(said in words for said in STREAM_ONLY):
        return replace(dialect, stream=True)
    if not words or (not any(word in words for word in UNSUPPORTED) and "instead" not in words):
        return None
    if dialect.limit == "max_tokens" and "max_completion_tokens" in words:
        return replace(dialect, limit="max_completion_tokens")
    if dialect.limit == "max_completion_tokens" and "max_completion_tokens" in words:
        return replace(dialect, limit="max_tokens")
    for name in OPTIONAL:
        if name in words and getattr(request, name) is not None and name not in dialect.left_out:
            return replace(dialect, left_out=(*dialect.left_out, name))
    asks = any(message.role == "system" for message in request.messages)
    if asks and "system" not in dialect.left_out and any(said in words for said in NO_SYSTEM):
        return replace(dialect, left_out=(*dialect.left_out, "system"))
    return None


class Refusals:
    """Counts requests that were refused in a row, and decides when to give up. ``answered``:
    whether any was not refused.
    """

    def __init__(self, settings: Address) -> None:
        self._settings = settings
        self.answered = False
        self._count = 0
        self._alone = 0
        self._last: Fault | None = None

    def passed(self, _: Reply) -> None:
        """A request was answered."""
        self.answered = True
        self._count = self._alone = 0

    def add(self, fault: Fault) -> str | None:
        """A request was refused: why to stop now, or ``None``."""
        self._count += 1
        self._alone += fault.alone
        self._last = fault
        general = self._count - self._alone
        if general >= (IN_A_ROW if self.answered else FIRST) or (
            not self.answered and self._count >= IN_A_ROW
        ):
            return self._why(f"refused {self._count} requests in a row")
        return None

    def of_all(self) -> str | None:
        """At the end: why this is not a success, where nothing but refusals came."""
        if self.answered or self._count == 0:
            return None
        return self._why("refused every request")

    def _why(self, what: str) -> str:
        assert self._last is not None
        return f"{base_url_of(self._settings)} {what}: {self._last.reason}. {self._advice(self._last.said.lower())}"

    def _advice(self, words: str) -> str:
        """The setting to change."""
        if "context" in words or "too long" in words or "too many tokens" in words:
            return (
                "The texts do not fit this model: lower answer_chars (judge.yaml) or "
                "max_chars (llm-rating), lower "
                "max_tokens, or set model to one that takes more."
            )
        if "logprob" in words:
            return (
                "This model returns no token probabilities: choose a judge that reads text (--judge scores)."
            )
        for name in ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed"):
            if name in words:
                return f"Change the setting {name} (judge.yaml of a judge's folder, refine), or set another model."
        if any(word in words for word in ("key", "auth", "token", "permission", "credential")):
            return (
                f"Check the key in the environment variable {self._settings.key_env} (key_env) and base_url."
            )
        return f"Check base_url, model, and the key in the environment variable {self._settings.key_env} (key_env)."
