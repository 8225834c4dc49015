"""HTTP connections that can give a request only its own reply."""

from __future__ import annotations

import asyncio

from aiohttp import ClientConnectionError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

TRIES = 8
QUIET = 0.002
"""Seconds that a connection is listened to before a request is sent on it."""


class OwnReplies(TCPConnector):
    """Never reuses a connection on which unrequested data has arrived.

    Otherwise, where a server answers twice or sends more than it announced, the rest of one answer would be
    taken for the next reply.
    """

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        for _ in range(TRIES):
            connection = await super().connect(req, traces, timeout)
            await asyncio.sleep(QUIET)
            protocol = connection.protocol
            if protocol is not None and protocol.is_connected() and not protocol.should_close:
                return connection
            connection.close()
        raise ClientConnectionError("the endpoint sends data that was not requested")
