"""Reads an endpoint's JSON of any shape: a reply, or the reason why there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping

from handpicked.endpoint.request import Reply
from handpicked.endpoint.streamed import is_stream, whole_reply
from handpicked.secrets import masked, redacted
from handpicked.store import utf8

WORDS = 300
"""Characters that are kept of what an endpoint says."""
NO_CREDIT = "insufficient_quota"
"""How OpenAI marks the refusal of an account without credit."""
MOST_TOKENS = 10**9
NO_PROBABILITY = -9999.0
"""How OpenAI writes the natural logarithm of a probability of 0."""
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""How endpoints and gateways say that a reply was cut at its limit of tokens."""
FILTERED = frozenset({"content_filter", "safety", "prohibited_content", "blocklist", "recitation"})
FAILED = frozenset({"error", "insufficient_system_resource"})
"""How they say that the model stopped for a fault of theirs."""
ROUNDED = 0.01
"""How far above 0 rounding may put a log-probability."""


class Unreadable(Exception):
    """The body is not a chat completion; ``str`` is the reason, ``said`` the endpoint's own
    words, ``code`` its status.

    ``again`` says that another attempt may give one.
    """

    def __init__(self, reason: str, said: str = "", code: int | None = None, again: bool = True) -> None:
        super().__init__(reason)
        self.said, self.code, self.again = said, code, again


def read_completion(content: str | bytes) -> Reply:
    """The reply in the body of a success; where it has no usable text, ``text`` is None with the reason.

    Raises Unreadable for a body that is not a chat completion, or an error in the place of one.
    """
    body = _json(content)
    if not isinstance(body, dict):
        raise Unreadable("the reply is not a chat completion")
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    for of in (choice, body):
        if isinstance(of, dict) and of.get("error"):
            raise _error(of)
    if choice is None:
        raise _without_choices(body)
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Unreadable("the reply is not a chat completion")
    finish = str(choice.get("finish_reason") or "").lower()
    if finish in FAILED:
        raise Unreadable(f"the endpoint ended the reply with a fault of its own ({finish})")
    text, reason = _text(message, finish)
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt_tokens, reply_tokens = _tokens_used(counts)
    clean = None if text is None else masked(utf8(text))
    return Reply(
        text=clean,
        reason=None if reason is None else redacted(utf8(reason)),
        prompt_tokens=prompt_tokens,
        reply_tokens=reply_tokens,
        logprobs=_logprobs(choice.get("logprobs")),
        finished=finish not in CUT,
        mended=_lone(text) if text is not None else 0,
    )


def _json(content: str | bytes) -> object:
    try:
        if isinstance(content, bytes) and is_stream(content):
            streamed = whole_reply(content)
            if streamed is None:
                raise Unreadable("the stream ended before the reply did")
            return streamed
        return json.loads(content, strict=False)
    except RecursionError:
        raise Unreadable("the reply is not a chat completion: its JSON is too deep", again=False) from None
    except ValueError:
        begins = said_in(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))[:60]
        shown = f" (it begins {begins!r})" if begins else ""
        raise Unreadable(f"the reply is not a chat completion{shown}") from None


def _without_choices(body: Mapping[str, object]) -> Unreadable:
    """A body without a reply: an error in the shape of vLLM or FastAPI, or none that is known."""
    if body.get("object") == "error" or ("detail" in body and len(body) == 1):
        return _error(
            {"error": {"code": body.get("code"), "message": body.get("message") or body.get("detail")}}
        )
    if "choices" in body:
        return Unreadable("the reply holds no choice, and so no text")
    begins = _line(_plain(body))[:60]
    return Unreadable(f"the reply is not a chat completion (it begins {begins!r})")


def _tokens_used(counts: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Tokens of prompt and reply that are paid for. Some endpoints leave those of the reasoning out of the
    reply's; they are in the total.
    """
    prompt = token_count(counts.get("prompt_tokens", counts.get("input_tokens")))
    reply = token_count(counts.get("completion_tokens", counts.get("output_tokens")))
    total = token_count(counts.get("total_tokens"))
    if prompt is None or reply is None or total is None:
        return prompt, reply
    return prompt, max(reply, total - prompt)


def _error(of: Mapping[str, object]) -> Unreadable:
    """An error object where a reply belongs. Some gateways send it with status 200, the
    true one as its ``code``.
    """
    said, error = _words(of["error"]), of["error"]
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    status = code if isinstance(code, int) and 100 <= code < 600 else None
    return Unreadable(f"the endpoint answered with an error: {said}", said, status)


def _text(message: Mapping[str, object], finish: object) -> tuple[str | None, str | None]:
    """The text of the reply; or None and why there is none. An empty reply that was not cut is ``""``."""
    refusal = message.get("refusal")
    content = message.get("content")
    text = content if isinstance(content, str) else _joined(content)
    if finish in FILTERED:
        return None, "the endpoint's content filter cut the reply"
    if text is not None and text.strip():
        return text, None
    if isinstance(refusal, str) and refusal.strip():
        return None, f"the model refused: {' '.join(refusal.split())[:WORDS]}"
    if text is None and content is not None:
        raise Unreadable(f"the content of the reply is {_kind(content)}, not text", again=False)
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought and finish in CUT:
        return None, "the model used up max_tokens on its reasoning and wrote no answer: raise max_tokens"
    if finish in CUT:
        return None, (
            "the reply was cut at max_tokens before it had any text (a reasoning model may "
            "spend them on its reasoning): "
            "raise max_tokens"
        )
    if thought:
        return None, "the model sent its reasoning and no answer"
    if content is None and message.get("tool_calls"):
        return None, "the model called a tool instead of answering"
    return text or "", None


def _joined(content: object) -> str | None:
    """The text of a content that comes in parts; ``None`` where it is not a list, or has no part with text."""
    if not isinstance(content, list):
        return None
    texts = [part if isinstance(part, str) else _part(part) for part in content]
    found = [text for text in texts if text is not None]
    return "".join(found) if found or not content else None


def _part(part: object) -> str | None:
    """The text of a part; none of one that is a thought."""
    if isinstance(part, dict) and str(part.get("type")).lower().startswith(("think", "reason")):
        return None
    text = part.get("text") if isinstance(part, dict) else None
    if isinstance(text, dict):
        text = text.get("value")
    return text if isinstance(text, str) else None


def _kind(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", dict: "an object"}
    return names.get(type(value), "a list without text")


def token_count(value: object) -> int | None:
    """A count of tokens; ``None`` for what is none: negative, absurdly large, text, nested."""
    if isinstance(value, float) and value.is_integer() and 0 <= value <= MOST_TOKENS:
        return int(value)
    counts = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return value if counts and isinstance(value, int) else None


def _logprobs(found: object) -> tuple[dict[str, float], ...] | None:
    entries = found.get("content") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        return None
    positions = [_alternatives(entry) for entry in entries]
    return None if None in positions else tuple(one for one in positions if one is not None)


def _alternatives(entry: object) -> dict[str, float] | None:
    if not isinstance(entry, dict):
        return None
    rivals = entry.get("top_logprobs") or [entry]
    if not isinstance(rivals, list) or not all(isinstance(rival, dict) for rival in rivals):
        return None
    return log_probabilities({str(rival.get("token")): rival.get("logprob") for rival in rivals})


def log_probabilities(found: Mapping[str, object]) -> dict[str, float] | None:
    """Natural-log probabilities by token; ``None`` when one of them is not a logarithm of a probability."""
    checked: dict[str, float] = {}
    for token, value in found.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value <= ROUNDED:  # nor NaN
            return None
        checked[masked(utf8(token))] = float(max(NO_PROBABILITY, min(0.0, value)))
    return checked


def _lone(text: str) -> int:
    """How many characters of a text are not Unicode."""
    return 0 if text.isascii() else utf8(text).count("\ufffd") - text.count("\ufffd")


def said_in(content: bytes) -> str:
    """An endpoint's error message on one line: OpenAI's shape (``error.message``,
    ``error.code``), or any text.
    """
    text = content.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return _line(text)
    return _words(body.get("error", body) if isinstance(body, dict) else body)


def _words(error: object) -> str:
    if not isinstance(error, dict):
        return _line(_plain(error))
    code, message = error.get("code"), error.get("message")
    if code is None and error.get("type") == NO_CREDIT:
        code = NO_CREDIT
    text = _plain(message or code or error)
    return _line(f"{_plain(code)}: {text}" if code and message else text)


def _plain(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(too deep to be shown)"


def _line(text: str) -> str:
    return " ".join(redacted(utf8(text)).split())[:WORDS]
