"""Replies already paid for, in one SQLite file, keyed by the address and the whole payload."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from handpicked.endpoint.request import Reply
from handpicked.errors import StoreError

KEPT = ("text", "prompt_tokens", "reply_tokens", "seconds", "logprobs", "finished")
KEYS_A_QUERY = 500


def default_cache() -> Path:
    """The one cache of this user: ``requests.sqlite`` in ``HANDPICKED_CACHE``, else in
    ``~/.cache/handpicked``.
    """
    folder = os.environ.get("HANDPICKED_CACHE")
    return (Path(folder) if folder else Path.home() / ".cache" / "handpicked") / "requests.sqlite"


def request_key(base_url: str, body: bytes) -> str:
    """128 bits of BLAKE2b over address and ``encoded`` payload (model, messages, sampling, seed), as 32 hex digits."""
    key = hashlib.blake2b(f"{base_url}\n".encode(), digest_size=16)
    key.update(body)
    return key.hexdigest()


class ReplyCache:
    """A context manager over the SQLite file. Several processes may share one.

    Every reply is committed as it comes, so kill -9 loses at most what is in flight. Only complete replies
    are kept: a failure is asked again.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Opened here, written by the thread that runs the event loop; never by two at once.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            # A checkpoint waits for the disk, and every reply in flight for it: once in 40 MB of log is enough.
            self._db.execute("PRAGMA wal_autocheckpoint=10000")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise StoreError(
                f"The request cache {path} cannot be opened ({error}). It must be a writable SQLite file; "
                f"move it aside to start a new one (its replies would then be paid for again)."
            ) from error

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def get(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The replies that are held, by key, marked ``cached``; their cost is for the caller to work out."""
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), KEYS_A_QUERY):
            part = keys[start : start + KEYS_A_QUERY]
            marks = ",".join("?" * len(part))
            for key, text in self._db.execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", part):
                fields = json.loads(text)
                if fields.get("logprobs") is not None:
                    fields["logprobs"] = tuple(fields["logprobs"])
                found[key] = Reply(**fields, cached=True)
        return found

    def settle(self) -> None:
        """Move what was kept into the main file now: closing the last connection would wait for the disk to do so.

        Every reply is in the log already: where the disk refuses now, closing tries again.
        """
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def put(self, key: str, reply: Reply) -> None:
        """Keep a complete reply. The first one stays: a request has one answer."""
        text = json.dumps({name: getattr(reply, name) for name in KEPT})
        self._db.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, text))
