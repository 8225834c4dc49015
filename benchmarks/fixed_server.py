"""A chat endpoint that answers every request after a fixed time, with as little work as possible.

The client is what is measured, and it shares the machine with this: no JSON is parsed,
one prepared answer is sent.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import MutableSequence

Waited = MutableSequence[float]
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "8 7\nbecause"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
BODY = json.dumps({"id": "x", "object": "chat.completion", "choices": [CHOICE], "usage": USAGE}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Answering(asyncio.Protocol):
    """One connection: counts off whole requests by their content-length, and answers
    each after ``delay`` seconds.
    """

    def __init__(self, delay: float, waited: Waited) -> None:
        self.delay, self.waited, self.seen = delay, waited, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += data
        while True:
            head, end, rest = self.seen.partition(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) if end else 0
            if not end or len(rest) < size:
                return
            self.seen = rest[size:]
            asyncio.get_running_loop().call_later(self.delay, self._answer, time.perf_counter())

    def _answer(self, came: float) -> None:
        self.transport.write(ANSWER)
        self.waited[0] += time.perf_counter() - came
        self.waited[1] += 1


def serve(port: multiprocessing.Queue[int], delay: float, waited: Waited) -> None:
    """Serve on a free port, which is put into the queue, until the process is ended.

    ``waited`` is shared: the seconds that all answers took from their request to their sending, by this
    process's own clock, and how many they were. Timers are never early and often a millisecond late.
    """

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(delay, waited), "127.0.0.1", 0, backlog=1024)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())
