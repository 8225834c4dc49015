"""Reads the body of an HTTP response up to a size limit, compressed and decompressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import ClientResponse

LARGEST = 16 * 2**20
"""Bytes of an answer, decompressed. A reply of 100,000 tokens with 20 alternatives each has about 10 MB."""
LARGEST_ERROR = 2**16
"""Bytes that are read of an answer that is not a success."""
COMPRESSIONS = {"gzip": 47, "x-gzip": 47, "deflate": 47}
"""The accepted compressions, and zlib's window bits for each."""


class BodyError(Exception):
    """The body is too large or cannot be decompressed; ``str`` is the reason."""


async def read_body(response: ClientResponse) -> bytes:
    """The whole body of a success, the beginning of any other.

    Raises BodyError when it is larger than ``LARGEST`` or has another compression, regardless of its headers.
    """
    success = 200 <= response.status < 300
    limit = LARGEST if success else LARGEST_ERROR
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        unpack = None
    elif coding in COMPRESSIONS:
        unpack = zlib.decompressobj(COMPRESSIONS[coding])
    else:
        raise BodyError(f"the reply is compressed as {coding[:40]!r}, which was not requested")
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        part = chunk if unpack is None else _unpacked(unpack, chunk, limit + 1 - size)
        parts.append(part)
        size += len(part)
        if size > limit:
            if not success:
                break
            raise BodyError(f"the reply is larger than {limit // 2**20} MB")
    if unpack is not None and success and not unpack.eof:
        raise BodyError("the reply's compressed body ends too early")
    return b"".join(parts)[:limit]


def _unpacked(unpack: zlib._Decompress, chunk: bytes, most: int) -> bytes:
    try:
        return unpack.decompress(chunk, most)
    except zlib.error as error:
        raise BodyError(f"the reply cannot be decompressed ({error})") from error
