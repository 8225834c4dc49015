"""A local S3: moto's server in a process of its own, for as long as a block lasts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

SERVER = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"
SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=unchecked"


class LocalS3:
    """Where it answers, and how to put an object there."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def put(self, path: str, data: bytes = b"") -> None:
        """``bucket`` makes a bucket, ``bucket/key`` an object."""
        headers = {"Content-Type": "application/octet-stream", "Authorization": SIGNED}
        urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/{path}", data, headers, method="PUT")
        ).close()


@contextmanager
def local_s3() -> Iterator[LocalS3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=subprocess.DEVNULL)
    try:
        found = LocalS3(port)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{found.url}/moto-api/").close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield found
    finally:
        server.terminate()
        server.wait()
