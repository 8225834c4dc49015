"""Votes in a file: one JSON line each, on the disk before it is confirmed, and never rewritten.

A line is one of three events: ``vote``; ``retract``, which takes an annotator's vote on a case back; and
``unveil``, which makes votes final because their annotator has now seen what the judge said.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock

from handpicked.errors import PoolError
from handpicked.records import Outcome
from handpicked.store import private_file, writing
from handpicked.votes.case import Side

TAGS = (
    "more detail",
    "more correct",
    "better form",
    "follows the instruction",
    "only longer",
    "other",
)
"""Reasons that an annotator can give for a vote."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One annotator's vote on one case. ``outcome`` is from the side of ``a``;
    ``first`` is the side shown first.

    ``case`` is ``Case.id``; ``seconds`` is the time the pair was on the screen; ``time`` is UTC, ISO 8601.
    """

    annotator: str
    case: str
    prompt_id: str
    a: str
    b: str
    outcome: Outcome
    first: Side
    tags: tuple[str, ...] = ()
    note: str = ""
    seconds: float | None = None
    time: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts now: votes by (annotator, case) in the order in which they were cast,
    and which of them are final.
    """

    votes: dict[tuple[str, str], Vote] = field(default_factory=dict)
    final: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class VoteFile:
    """``votes.jsonl``. A last line without its end is what a killed process left: it was never
    confirmed, and is ignored.
    """

    path: Path

    def cast(self, vote: Vote) -> None:
        self._append({"event": "vote", **asdict(vote), "time": vote.time or _now()})

    def retract(self, annotator: str, case: str) -> None:
        self._append({"event": "retract", "annotator": annotator, "case": case, "time": _now()})

    def unveil(self, annotator: str, cases: Sequence[str]) -> None:
        self._append({"event": "unveil", "annotator": annotator, "cases": list(cases), "time": _now()})

    def standing(self) -> Standing:
        """What the file says now. Raises PoolError naming a line that is no event of ours."""
        found = Standing()
        if not self.path.is_file():
            return found
        *lines, _torn = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, 1):
            try:
                _apply(json.loads(line.decode("utf-8", "surrogatepass")), found)
            except (ValueError, KeyError, TypeError) as error:
                raise PoolError(
                    f"{self.path}, line {number} is no vote ({error}), so it cannot be "
                    "said what counts. Mend or delete "
                    f"that line."
                ) from error
        return found

    def _append(self, event: Mapping[str, Any]) -> None:
        """Write one line and wait until it is on the disk. Raises StoreError when the disk refuses it."""
        # Lone surrogates, which UTF-8 cannot write, are written as JSON's escapes.
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with writing(self.path), FileLock(self.path.with_name(f".{self.path.name}.lock")):
            created = not self.path.exists()
            private_file(self.path)
            with self.path.open("a+b") as file:
                _drop_torn_line(file.fileno())
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if created:
                _sync_folder(self.path.parent)


def _apply(event: Mapping[str, Any], standing: Standing) -> None:
    fields = dict(event)
    kind = fields.pop("event")
    if kind == "vote":
        vote = Vote(**{**fields, "tags": tuple(fields["tags"])})
        standing.votes.pop((vote.annotator, vote.case), None)  # a changed vote is now the latest
        standing.votes[vote.annotator, vote.case] = vote
    elif kind == "retract":
        standing.votes.pop((fields["annotator"], fields["case"]), None)
    elif kind == "unveil":
        standing.final.update((fields["annotator"], case) for case in fields["cases"])
    else:
        raise ValueError(f"unknown event '{kind}'")


def _drop_torn_line(descriptor: int) -> None:
    """Cut what follows the last line end, so that the next line begins at the start of a line."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 4096)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def _sync_folder(folder: Path) -> None:
    """The file's name must survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
