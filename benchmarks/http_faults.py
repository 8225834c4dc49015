"""Ways in which an endpoint can answer wrongly, as a table, and a server that answers so.

``FAULTS`` holds them; ``serving_fault(fault)`` is the server. Every answer is written byte by byte, because
most of them no HTTP library would send. ``reads`` says that the right text is in the answer and must be
found; of those where it is false no value may come; where it is None, the right one or none.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

KEY = "sk-fault-0123456789-secret"
"""The key that clients are to use, so that an answer can echo it and a test can look for it."""
RIGHT = {"judge": "8 6", "rating": "4.5"}
"""What a judge of scores and a rating are answered; any other value in a result was invented."""
FOREIGN = {"judge": "1 9", "rating": "0.5"}
"""The answer to another request."""
MB = 2**20


@dataclass(frozen=True)
class Asked:
    """A request: the right ``text`` for it, another request's text, its
    Authorization header, its ``count``.
    """

    text: str
    foreign: str
    header: str
    count: int


@dataclass(frozen=True)
class HttpFault:
    """One way to answer. ``then`` is written ``pause`` seconds later; ``endless`` repeats
    it until the client goes.
    """

    name: str
    answer: Callable[[Asked], bytes]
    reads: bool | None = False
    close: bool = False
    then: Callable[[Asked], bytes] | None = None
    pause: float = 0.0
    endless: bool = False
    hang: bool = False


def http(body: bytes, status: object = 200, **headers: object) -> bytes:
    """A whole HTTP answer; a header given as None is left out."""
    fields: dict[str, object] = {"content-type": "application/json", "content-length": len(body)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1", "replace") + body


def completion(
    text: Any, finish: Any = "stop", message: dict[str, Any] | None = None, **fields: Any
) -> bytes:
    """A chat completion; ``fields`` replace or add to the body's, ``message`` to the message's."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text} | (message or {}),
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return json.dumps({"id": "x", "choices": [choice], "usage": usage} | fields).encode()


def _body(name: str, make: Callable[[Asked], bytes], reads: bool = False, **headers: object) -> HttpFault:
    return HttpFault(name, lambda asked: http(make(asked), **headers), reads)


def _content(name: str, make: Callable[[str], Any], reads: bool = False) -> HttpFault:
    return _body(f"content: {name}", lambda asked: completion(make(asked.text)), reads)


def _reply(
    name: str, reads: bool = False, finish: Any = "stop", text: Any = ..., **message: Any
) -> HttpFault:
    return _body(
        f"reply: {name}",
        lambda asked: completion(asked.text if text is ... else text, finish, message),
        reads,
    )


def _whole(name: str, body: Any, reads: bool = False) -> HttpFault:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _body(f"body: {name}", lambda _: content, reads)


def _status(code: object, body: object = "", name: str = "", **headers: object) -> HttpFault:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpFault(f"status {code}{name and f': {name}'}", lambda _: http(content, code, **headers))


def _raw(name: str, make: Callable[[Asked], bytes], reads: bool | None = False, **more: Any) -> HttpFault:
    return HttpFault(f"wire: {name}", make, reads, **more)


def _error(text: str, code: object = None, **more: object) -> dict[str, object]:
    return {"error": {"message": text, "code": code, **more}}


def _without(asked: Asked, name: str) -> bytes:
    fields = json.loads(completion(asked.text))
    del fields["choices"][0]["message"][name]
    return json.dumps(fields).encode()


def _chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


CONTENTS = (
    _content("parts", lambda t: [{"type": "text", "text": t}], True),
    _content("two parts", lambda t: [{"type": "text", "text": t[:1]}, {"type": "text", "text": t[1:]}], True),
    _content("list of texts", lambda t: [t], True),
    _content("parts among others", lambda t: [{"type": "thinking", "thinking": "1 9"}, {"text": t}], True),
    _content("part with a value", lambda t: [{"type": "text", "text": {"value": t}}], True),
    _content("a number", lambda _: 8),
    _content("a float", lambda _: 4.5),
    _content("an object", lambda t: {"text": t}),
    _content("null", lambda _: None),
    _content("true", lambda _: True),
    _content("empty list", lambda _: []),
    _content("list of numbers", lambda _: [8, 6]),
    _content("list of null", lambda _: [None]),
    _content("empty", lambda _: ""),
    _content("blanks", lambda _: " \n\t"),
    _content("lone surrogate", lambda t: f"{t}\nbecause \ud800", True),
    _content("lone surrogates only", lambda _: "\udfff\ud800"),
    _content("NUL", lambda t: f"{t}\n\x00", True),
    _content("the key", lambda t: f"{t}\n{KEY}", True),
    _content("200,000 digits", lambda _: "9" * 200_000),
    _content("200,000 digits with blanks", lambda _: "9 " * 100_000),
    _content("200,000 blanks", lambda _: "9" + " " * 200_000 + "x"),
    _content("1 MB of text", lambda _: "so " * 350_000),
    _body("content: missing", lambda asked: _without(asked, "content")),
    _body(
        "content: 100,000 levels deep",
        lambda asked: completion("DEEP").replace(b'"DEEP"', b"[" * 100_000 + b"]" * 100_000),
    ),
)
REPLIES = (
    _reply("cut, thought only", finish="length", text=None, reasoning_content="8 6 4.5"),
    _reply("cut, thought in reasoning", finish="length", text="", reasoning="8 6"),
    _reply("cut, nothing", finish="length", text=None),
    _reply("thought only", text=None, reasoning_content="8 6\n4.5"),
    _reply("refusal", text=None, refusal="I will not."),
    _reply("refusal with the key", text=None, refusal=f"Not with {KEY}"),
    _reply("filtered", finish="content_filter"),
    _reply("filtered, null", finish="content_filter", text=None),
    _reply("tool call", text=None, finish="tool_calls", tool_calls=[{"function": {"name": "f"}}]),
    _reply("odd finish", finish={"a": []}, reads=True),
    _reply("refusal is a list", refusal=["x"], reads=True),
    *(
        _body(f"usage: {name}", lambda asked, usage=usage: completion(asked.text, usage=usage), True)
        for name, usage in {
            "negative": {"prompt_tokens": -5, "completion_tokens": -1},
            "nested": {"prompt_tokens": {"n": 5}, "completion_tokens": [1]},
            "text": {"prompt_tokens": "ten", "completion_tokens": "5"},
            "a text": "many",
            "a list": [1, 2],
            "huge": {"prompt_tokens": 10**30, "completion_tokens": 1e308},
            "null": None,
            "true": {"prompt_tokens": True, "completion_tokens": False},
        }.items()
    ),
    *(
        _body(
            f"logprobs: {name}",
            lambda asked, found=found: completion(
                asked.text,
                choices=[{"message": {"content": asked.text}, "finish_reason": "stop", "logprobs": found}],
            ),
            True,
        )
        for name, found in {
            "above 709": {"content": [{"token": "A", "logprob": 800.0}]},
            "NaN": {"content": [{"token": "A", "logprob": float("nan")}]},
            "text": {"content": [{"token": "A", "logprob": "high"}]},
            "no list": {"content": "A"},
            "a number": 5,
            "odd rivals": {"content": [{"token": "A", "logprob": -1, "top_logprobs": {"B": -2}}]},
            "minus infinity": {"content": [{"token": None, "logprob": float("-inf")}]},
        }.items()
    ),
)
BODIES = (
    *(
        _whole(name, body)
        for name, body in {
            "null": None,
            "a number": 8,
            "a text": "8 6",
            "a list": [8, 6],
            "empty object": {},
            "choices null": {"choices": None},
            "choices empty": {"choices": []},
            "choices a text": {"choices": "8 6"},
            "choices an object": {"choices": {"0": {"message": {"content": "8 6"}}}},
            "choice null": {"choices": [None]},
            "choice a number": {"choices": [8]},
            "message null": {"choices": [{"message": None}]},
            "message a text": {"choices": [{"message": "8 6"}]},
            "a completion of texts": {"choices": [{"text": "8 6"}]},
            "empty": b"",
            "half a JSON": b'{"choices": [{"mess',
            "HTML": b"<html><body>8 6</body></html>",
            "binary": bytes(range(256)) * 20,
            "two documents": completion("8 6") + completion("8 6"),
            "a stream that is cut": b'data: {"choices": [{"delta": {"content": "8 6"}}]}\n\n',
            "a stream of damaged events": b'data: {"choices": [{"del\n\ndata: [DONE]\n\n',
            "a stream of other events": b"data: [8]\n\ndata: 8 6\n\ndata: [DONE]\n\n",
            "a number of 5,000 digits": b'{"choices": ' + b"9" * 5_000 + b"}",
            "100,000 levels deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
            "error, a text": {"error": f"overloaded, key {KEY}"},
            "error, an object": _error("The upstream model is away"),
            "error with 400": _error("No such parameter", 400),
            "error with 401": _error("Wrong key", 401),
            "error with 429": _error("Slow down", 429),
            "error, deep": b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}",
            "error of a choice": {
                "choices": [{"error": {"message": "cut off"}, "message": {"content": "8 6"}}]
            },
        }.items()
    ),
    _body(
        "body: a stream of events",
        lambda asked: (
            b"data: "
            + json.dumps({"choices": [{"delta": {"content": asked.text}}]}).encode()
            + b"\n\ndata: [DONE]\n\n"
        ),
        True,
    ),
    _body("body: UTF-8 with a mark", lambda asked: b"\xef\xbb\xbf" + completion(asked.text), True),
    _body("body: UTF-16", lambda asked: completion(asked.text).decode().encode("utf-16"), True),
    _body("body: Latin-1", lambda asked: completion(asked.text).replace(b'"stop"', b'"\xe9"')),
    _body(
        "body: said to be text",
        lambda asked: completion(asked.text),
        True,
        content_type="text/plain; charset=x",
    ),
)
ECHOES = (
    HttpFault(
        "status 400: the key",
        lambda asked: http(json.dumps(_error(f"Bad key: {asked.header}")).encode(), 400),
    ),
    HttpFault(
        "status 400: the key in capitals and HTML",
        lambda asked: http(f"<p>authorization: {asked.header}</p>".encode(), 400),
    ),
    HttpFault(
        "status 401: the key",
        lambda asked: http(json.dumps(_error(f"Incorrect API key provided: {KEY}")).encode(), 401),
    ),
    HttpFault("status 500: the key", lambda asked: http(asked.header.encode(), 500)),
    HttpFault(
        "status 302: the key",
        lambda asked: http(b"", 302, location=f"http://user:{KEY}@127.0.0.1:9/v1?api_key={KEY}"),
    ),
)
STATUSES = (
    *(_status(code) for code in (201, 204, 206, 304, 402, 403, 404, 405, 408, 409, 413, 418, 422, 425, 451)),
    *(_status(code) for code in (500, 501, 502, 503, 504, 520, 529, 599, 600, 999)),
    _status(400, _error("model is not known", "model_not_found")),
    _status(400, _error("context too long", "context_length_exceeded"), "too long"),
    _status(400, _error("flagged", "content_filter"), "filtered"),
    _status(
        400, _error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."), "either way"
    ),
    _status(400, _error("'temperature' is not supported"), "no temperature, ever"),
    _status(400, b"[" * 60_000, "deep"),
    _status(400, b"x" * (3 * MB), "3 MB"),
    _status(400, bytes(range(256)), "binary"),
    _status(422, {"detail": [{"loc": ["body", "max_tokens"], "msg": "extra inputs"}]}, "a list"),
    _status(429, _error("You exceeded your quota", "insufficient_quota"), "no credit"),
    _status(301, b"", "no location"),
    _status(307, b"", "elsewhere", location="http://127.0.0.1:9/"),
    *(
        _status(429, _error("slow"), f"retry-after {value!r}", retry_after=value)
        for value in ("99999999999", "-5", "nan", "inf", "1e400", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT")
    ),
    _status(503, _error("slow"), "retry-after in the year 9999", retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
    _status(503, _error("slow"), "retry-after, no such date", retry_after="Xyz, 99 Foo 99999 99:99:99 GMT"),
)
WIRE = (
    _raw("chunked", lambda asked: _chunked(completion(asked.text)), True),
    _raw("no length", lambda asked: http(completion(asked.text), content_length=None), True, close=True),
    _raw("100 first", lambda asked: b"HTTP/1.1 100 Continue\r\n\r\n" + http(completion(asked.text)), True),
    _raw("cookies", lambda asked: http(completion(asked.text), set_cookie="a=b; Domain=.com"), True),
    _raw(
        "gzip",
        lambda asked: http(gzip.compress(completion(asked.text)), content_encoding="gzip"),
        True,
    ),
    _raw(
        "deflate",
        lambda asked: http(zlib.compress(completion(asked.text)), content_encoding="deflate"),
        True,
    ),
    _raw(
        "two answers",
        lambda asked: http(completion(asked.text)) + http(completion(asked.foreign)),
        True,
    ),
    _raw(
        "a second answer a moment later",
        lambda asked: http(completion(asked.text)),
        True,
        then=lambda asked: http(completion(asked.foreign)),
        pause=0.0005,
    ),
    _raw("more than announced", lambda asked: http(completion(asked.text)) + b"garbage\r\n\r\n", None),
    _raw(
        "an answer to 204",
        lambda asked: http(b"", 204, content_length=None) + http(completion(asked.foreign)),
    ),
    _raw("gzip bomb", lambda _: http(_BOMB, content_encoding="gzip")),
    _raw("gzip cut", lambda asked: http(gzip.compress(completion(asked.text))[:-9], content_encoding="gzip")),
    _raw("no gzip at all", lambda asked: http(completion(asked.text), content_encoding="gzip")),
    _raw("brotli", lambda asked: http(completion(asked.text), content_encoding="br")),
    _raw("unknown compression", lambda asked: http(completion(asked.text), content_encoding="x" * 500)),
    _raw("100 MB", lambda _: http(b"", content_length=100 * MB), then=lambda _: b" " * MB, endless=True),
    _raw(
        "endless chunks",
        lambda _: _chunked(b"{").removesuffix(b"0\r\n\r\n"),
        then=lambda _: b"100000\r\n" + b" " * MB + b"\r\n",
        endless=True,
    ),
    _raw(
        "a letter at a time",
        lambda _: http(b"", content_length=10_000),
        then=lambda _: b" ",
        pause=0.05,
        endless=True,
    ),
    _raw("no answer", lambda _: b"", hang=True),
    _raw("half a header", lambda _: b"HTTP/1.1 200 X\r\ncontent-le", hang=True),
    _raw("closed at once", lambda _: b"", close=True),
    _raw("cut", lambda asked: http(completion(asked.text), content_length=10_000), close=True),
    _raw("length too small", lambda asked: http(completion(asked.text), content_length=20), close=True),
    _raw("length negative", lambda asked: http(completion(asked.text), content_length=-5), close=True),
    _raw("length a word", lambda asked: http(completion(asked.text), content_length="long"), close=True),
    _raw(
        "two lengths",
        lambda asked: http(completion(asked.text), **{"Content_Length": 5, "content_length": 300}),
        close=True,
    ),
    _raw("chunk of no size", lambda _: _chunked(b"{}").replace(b"2\r\n", b"zz\r\n"), close=True),
    _raw("chunk cut", lambda asked: _chunked(completion(asked.text))[:-60], close=True),
    _raw("header of 1 MB", lambda asked: http(completion(asked.text), x="y" * MB), close=True),
    _raw(
        "10,000 headers",
        lambda asked: http(completion(asked.text), **{f"x{n}": n for n in range(10_000)}),
        close=True,
    ),
    _raw("header without a colon", lambda asked: b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", close=True),
    _raw("header with NUL", lambda asked: http(completion(asked.text), x="a\x00b"), close=True),
    _raw("HTTP/0.9", lambda asked: completion(asked.text), close=True),
    _raw("no HTTP", lambda _: b"SSH-2.0-OpenSSH_9.6\r\n", close=True),
    _raw("status a word", lambda asked: http(completion(asked.text), "fine"), close=True),
    _raw("switching protocols", lambda _: http(b"", 101, upgrade="x", connection="upgrade"), close=True),
)
FAULTS: tuple[HttpFault, ...] = (*CONTENTS, *REPLIES, *BODIES, *ECHOES, *STATUSES, *WIRE)


def _bomb() -> bytes:
    """100 MB of blanks, in 100 kB."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(squeeze.compress(b" " * MB) for _ in range(100)) + squeeze.flush()


_BOMB = _bomb()


@dataclass
class FaultServer:
    """The running server; ``requests`` counts what it was asked."""

    fault: HttpFault
    port: int = 0
    requests: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        lower = {name.lower(): value for name, value in fields.items()}
        body = await reader.readexactly(int(lower["content-length"]))
        self.requests += 1
        kind = "rating" if b"Rate the" in body else "judge"
        asked = Asked(RIGHT[kind], FOREIGN[kind], lower.get("authorization", ""), self.requests)
        writer.write(self.fault.answer(asked))
        await writer.drain()
        while self.fault.then is not None:
            await asyncio.sleep(self.fault.pause)
            writer.write(self.fault.then(asked))
            await writer.drain()
            if not self.fault.endless:
                break
        if self.fault.hang:
            await reader.read()
        return not self.fault.close


@contextmanager
def serving_fault(fault: HttpFault) -> Iterator[FaultServer]:
    """Answer with ``fault``, in a thread of its own, for as long as the block lasts."""
    server, started, loop = FaultServer(fault), threading.Event(), asyncio.new_event_loop()

    async def start() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
