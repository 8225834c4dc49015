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
    """Never hands out a kept connection on which something has arrived that no request asked for.

    A server that answers twice, or sends more than it announced, would else have the rest of one answer taken
    for the next request's reply.
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
