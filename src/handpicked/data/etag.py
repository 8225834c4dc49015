"""The version of an object in an object store, so that a change is noticed."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

VERSIONS = ("ETag", "etag", "Etag", "generation", "version_id", "Version-Id")
"""The names under which stores give it."""
PATIENCE = 30
"""Seconds to wait for an answer."""


def etag_of(url: str) -> str | None:
    """The etag of an object; of a local file its time; ``None`` where the store does not give it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        about = Path(unquote(parts.path)).stat()
        return f"{about.st_size}-{about.st_mtime_ns}"
    if parts.scheme in ("http", "https"):
        return _of_page(url)
    return _of_object(url)


def _of_page(url: str) -> str | None:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE) as answer:
            found = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    except (urllib.error.URLError, TimeoutError, ValueError):
        return None
    return None if found is None else str(found).strip('"')


def _of_object(url: str) -> str | None:
    """By Arrow, because Daft does not give it."""
    try:
        store, path = _store(url)
        with store.open_input_file(path) as file:
            about = {_text(name): _text(value) for name, value in (file.metadata() or {}).items()}
    except (OSError, ValueError, ImportError):
        return None
    found = next((about[name] for name in VERSIONS if about.get(name)), None)
    return None if found is None else found.strip('"')


def _store(url: str) -> tuple[Any, str]:
    from pyarrow import fs

    parts = urlsplit(url)
    path = f"{parts.netloc}{parts.path}"
    if parts.scheme in ("s3", "s3a"):
        return fs.S3FileSystem(endpoint_override=os.environ.get("AWS_ENDPOINT_URL"), **_region()), path
    store, path = fs.FileSystem.from_uri(url.replace("gcs://", "gs://", 1).replace("az://", "abfs://", 1))
    return store, str(path)


def _region() -> dict[str, str]:
    found = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return {"region": found} if found else {}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
