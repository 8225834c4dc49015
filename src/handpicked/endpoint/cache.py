"""Replies already paid for, in one SQLite file, keyed by address and whole payload."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import logging
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from handpicked.endpoint.reading import log_probabilities, token_count
from handpicked.endpoint.request import Dialect, Reply
from handpicked.endpoint.salvage import salvaged
from handpicked.errors import StoreError
from handpicked.secrets import masked
from handpicked.store import private_file, private_folder, utf8, writing

log = logging.getLogger(__name__)

KEPT = ("text", "reason", "prompt_tokens", "reply_tokens", "seconds", "logprobs", "finished")
KEYS_A_QUERY = 500


def default_cache() -> Path:
    """The one cache of this user: ``requests.sqlite`` in ``HANDPICKED_CACHE``, else in
    ``~/.cache/handpicked``.
    """
    folder = os.environ.get("HANDPICKED_CACHE")
    return (Path(folder) if folder else Path.home() / ".cache" / "handpicked") / "requests.sqlite"


def request_key(base_url: str, body: bytes) -> str:
    """128 bits of BLAKE2b over address and ``encoded`` payload (model, messages,
    sampling, seed), as 32 hex digits.
    """
    key = hashlib.blake2b(f"{base_url}\n".encode(), digest_size=16)
    key.update(body)
    return key.hexdigest()


class ReplyCache:
    """A context manager over the SQLite file. Several processes may share one.

    Every reply is committed as it comes, so kill -9 loses at most what is in flight. Only complete replies
    are kept: a failed request is sent again.
    """

    def __init__(self, path: Path) -> None:
        with writing(path):
            private_folder(path.parent)
        self.path = path
        try:
            self._open()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise StoreError(
                    f"The request cache {path} cannot be opened ({error}). It "
                    "must be a writable SQLite file; "
                    f"move it aside to start a new one (its replies would then be paid for again)."
                ) from error
            self._mend(error)

    def _open(self) -> None:
        private_file(self.path)  # SQLite gives its -wal and -shm the rights of the main file
        with contextlib.ExitStack() as opened:
            # Opened here, written by the thread that runs the event loop; never by two at once.
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=60, check_same_thread=False)
            opened.callback(self._db.close)
            self._db.text_factory = lambda raw: raw.decode(
                "utf-8", "replace"
            )  # damage within a text is not an error yet
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            # A checkpoint waits for the disk, and every reply in flight for it: once in 40 MB of log is
            # enough.
            self._db.execute("PRAGMA wal_autocheckpoint=10000")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS dialects (model TEXT PRIMARY KEY, "
                "dialect TEXT NOT NULL) WITHOUT ROWID"
            )
            opened.pop_all()

    def _execute(self, query: str, values: Sequence[str]) -> list[tuple[str, str]]:
        """What a query gives; where the file turns out to be damaged it is repaired first."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._db.close()
            self._mend(error)
            return self._db.execute(query, values).fetchall()

    def _mend(self, error: sqlite3.Error) -> None:
        """Set the damaged file aside, and begin a new one with every reply that is whole in it."""
        with writing(self.path), FileLock(f"{self.path}.lock"):
            try:
                self._open()
                if self._db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                    return  # another process has repaired it meanwhile
                self._db.close()
            except sqlite3.DatabaseError:
                pass
            aside = _set_aside(self.path)
            self._open()
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?)", salvaged(aside))
            (kept,) = self._db.execute("SELECT count(*) FROM replies").fetchone()
            self._db.execute("COMMIT")
        log.warning(
            "the request cache %s is damaged (%s): it was set aside as %s, and the %d "
            "replies that are whole in it were "
            "taken over; missing ones are requested again", self.path, error, aside.name, kept,
        )  # fmt: skip

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def get(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The replies that are held, by key, marked ``cached``; their cost is for the caller to work out.

        One that cannot be read is a reply without text, with the reason.
        """
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), KEYS_A_QUERY):
            part = keys[start : start + KEYS_A_QUERY]
            marks = ",".join("?" * len(part))
            for key, text in self._execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", part):
                found[key] = _kept(text)
        return found

    def settle(self) -> None:
        """Move what was kept into the main file now: closing the last connection would
        wait for the disk to do so.

        Every reply is in the log already: where the disk refuses now, closing tries again.
        """
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def put(self, key: str, reply: Reply) -> None:
        """Keep a complete reply. The first one stays: a request has one answer."""
        text = json.dumps({name: getattr(reply, name) for name in KEPT}, allow_nan=False)
        self._execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (key, text))

    def dialect(self, base_url: str, model: str) -> Dialect | None:
        """The known request format of this model; ``None`` where none was learnt."""
        rows = self._execute(
            "SELECT dialect, '' FROM dialects WHERE model = ?", (utf8(f"{base_url} {model}"),)
        )
        row = rows[0] if rows else None
        try:
            fields = json.loads(row[0]) if row else None
            if fields is None:
                return None
            return Dialect(fields["limit"], tuple(fields["left_out"]), fields.get("stream") is True)
        except (ValueError, KeyError, TypeError):
            return None  # it is learnt again

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Remember the request format of this model."""
        values = (utf8(f"{base_url} {model}"), json.dumps(asdict(dialect)))
        self._execute("INSERT OR REPLACE INTO dialects VALUES (?, ?)", values)


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: it is malformed, or no database at all."""
    return type(error) is sqlite3.DatabaseError


def _set_aside(path: Path) -> Path:
    """Rename the file and its log to the first free ``NAME.damaged-N``."""
    number = next(n for n in itertools.count(1) if not path.with_name(f"{path.name}.damaged-{n}").exists())
    aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    for end in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(f"{aside}{end}")
    return aside


def _kept(row: object) -> Reply:
    """A stored reply as far as it can be read: earlier versions kept replies unchecked."""
    try:
        fields = json.loads(row) if isinstance(row, (str, bytes)) else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return Reply(None, "the reply in the cache is damaged", cached=True)
    text, reason = fields.get("text"), fields.get("reason")
    if text is not None and not isinstance(text, str):
        text, reason = None, f"the reply in the cache is {_excerpt(text)}, where text belongs"
    seconds = fields.get("seconds")
    logprobs = fields.get("logprobs")
    known = (
        [log_probabilities(one) for one in logprobs if isinstance(one, dict)]
        if isinstance(logprobs, list)
        else [None]
    )
    return Reply(
        text=None if text is None else masked(utf8(text)),
        reason=masked(utf8(reason))
        if isinstance(reason, str)
        else "the reply in the cache is damaged"
        if text is None
        else None,
        prompt_tokens=token_count(fields.get("prompt_tokens")),
        reply_tokens=token_count(fields.get("reply_tokens")),
        seconds=seconds if isinstance(seconds, float) and 0 <= seconds < 1e9 else None,
        logprobs=None if None in known else tuple(one for one in known if one is not None),
        finished=fields.get("finished") is not False,
        cached=True,
    )


def _excerpt(value: object) -> str:
    try:
        return masked(utf8(json.dumps(value, ensure_ascii=False)))[:80]
    except RecursionError:
        return "a value too deep to be shown"
