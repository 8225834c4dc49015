"""Notes and flags of people on rows and pairs, each on the disk before the page confirms it.

An event is appended for every change, so that several people at once lose nothing. A person's last event on a
row counts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from handpicked.errors import ConfigError, PoolError
from handpicked.store.events import append_event, events

LONGEST_NOTE, LONGEST_NAME = 10_000, 60
Subject = Literal["row", "pair"]
Key = tuple[str, Subject, str]


@dataclass(frozen=True, slots=True)
class Note:
    """What one person says of a row (``row``, and ``id`` of its messages) or of a pair (``id``; ``row`` -1).

    ``time`` is UTC, ISO 8601.
    """

    annotator: str
    about: Subject
    row: int
    id: str
    flag: bool
    text: str
    time: str

    @property
    def key(self) -> Key:
        """A later note with the same key replaces it. A row whose messages changed is another one."""
        return self.annotator, self.about, f"{self.row} {self.id}"

    @property
    def empty(self) -> bool:
        """Whether it says nothing: a note taken back."""
        return not self.flag and not self.text


@dataclass
class NoteFile:
    """A file of notes. What others write into it meanwhile is seen at the next look."""

    path: Path
    _seen: tuple[int, int] = (0, 0)
    _standing: dict[Key, Note] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, note: Note) -> None:
        """Append a note; returns when it is on the disk. Raises StoreError when that refuses it."""
        append_event(self.path, asdict(note))

    def version(self) -> tuple[int, int]:
        """What changes whenever the file does: its size and the time of its last change."""
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_size, found.st_mtime_ns

    def standing(self) -> Mapping[Key, Note]:
        """The notes that count now. Raises PoolError naming a line that is not a note."""
        with self._lock:
            version = self.version()
            if version != self._seen:
                self._standing, self._seen = self._read(), version
            return self._standing

    def on(self, about: Subject, id: str, row: int = -1) -> list[Note]:
        """The notes of everyone on this row or pair."""
        wanted = f"{row} {id}"
        return [note for (_, kind, key), note in self.standing().items() if (kind, key) == (about, wanted)]

    def export(self) -> str:
        """Every note that counts, one JSON line each."""
        return "".join(json.dumps(asdict(note)) + "\n" for note in self.standing().values())

    def _read(self) -> dict[Key, Note]:
        found: dict[Key, Note] = {}
        for number, line in events(self.path):
            try:
                note = Note(**json.loads(line))
                found.pop(note.key, None)
                if not note.empty:
                    found[note.key] = note
            except (ValueError, TypeError) as error:
                raise PoolError(
                    f"{self.path}, line {number} is not a note ({error}), so the notes cannot be read. "
                    "Repair or delete that line."
                ) from error
        return found


def note_of(request: Mapping[str, object], about: Subject, row: int, id: str) -> Note:
    """The note in a request. Raises ConfigError for one that is none."""
    name, text = request.get("annotator"), request.get("text", "")
    who = " ".join(name.split()) if isinstance(name, str) else ""
    if not who or len(who) > LONGEST_NAME or not who.isprintable():
        raise ConfigError(f"A name of 1 to {LONGEST_NAME} letters is needed: notes are kept under it.")
    if not isinstance(text, str) or len(text) > LONGEST_NOTE:
        raise ConfigError(f"A note has at most {LONGEST_NOTE:,} letters.")
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Note(who, about, row, id, request.get("flag") is True, text.strip(), now)
