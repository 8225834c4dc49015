"""A real HTTP server on this machine that answers chat completions, and misbehaves where a test wants it to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Act:
    """What to do with one request. ``cut`` closes the connection in the middle of the body,
    ``silent`` before the first byte.

    ``usage`` are the tokens that the server counts, prompt and reply; ``None`` leaves them out.
    """

    text: str | None = "ok"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: bool = False
    silent: bool = False
    delay: float = 0.0
    finish: str = "stop"
    logprobs: dict[str, float] | None = None
    usage: tuple[int, int] | None = (10, 5)

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": f"status {self.status}", "code": None}}).encode()
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": self.text},
            "finish_reason": self.finish,
        }
        if self.logprobs is not None:
            top = [{"token": t, "logprob": p} for t, p in self.logprobs.items()]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        completion: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
        if self.usage is not None:
            prompt, reply = self.usage
            completion["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": reply,
                "total_tokens": prompt + reply,
            }
        return json.dumps(completion).encode()


@dataclass
class LocalEndpoint:
    """The running server. ``bodies`` holds every request body in order of arrival,
    ``in_flight_most`` the peak.
    """

    act: Callable[[dict[str, Any], int], Act]
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    in_flight: int = 0
    in_flight_most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[str]:
        """The last message of every request."""
        return [body["messages"][-1]["content"] for body in self.bodies]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        self.bodies.append(body)
        self.keys.append(fields.get("authorization", ""))
        self.in_flight += 1
        self.in_flight_most = max(self.in_flight_most, self.in_flight)
        act = self.act(body, len(self.bodies))
        await asyncio.sleep(act.delay)
        self.in_flight -= 1
        if act.silent:
            return False
        content = act.content()
        headers = {"content-type": "application/json", "content-length": str(len(content)), **act.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {act.status} X\r\n{lines}\r\n".encode())
        writer.write(content[: len(content) // 2] if act.cut else content)
        await writer.drain()
        return not act.cut


@contextmanager
def local_endpoint(act: Callable[[dict[str, Any], int], Act]) -> Iterator[LocalEndpoint]:
    """Serve in a thread of its own for as long as the block lasts."""
    endpoint, started, loop = LocalEndpoint(act), threading.Event(), asyncio.new_event_loop()

    async def start() -> None:
        server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, backlog=1024)
        endpoint.port = server.sockets[0].getsockname()[1]
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    try:
        yield endpoint
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
