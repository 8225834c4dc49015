"""Votes in a file: one JSON line each, on the disk before it is confirmed, and never rewritten.

A line is one of three events: ``vote``; ``retract``, which takes an annotator's vote on a case back; and
``unveil``, which makes votes final because their annotator has now seen what the judge said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from handpicked.errors import PoolError
from handpicked.records import Json, Outcome
from handpicked.store.events import append_event, events
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
        """What the file says now. Raises PoolError naming a line that is not an event of a vote."""
        found = Standing()
        for number, line in events(self.path):
            try:
                _apply(json.loads(line.decode("utf-8", "surrogatepass")), found)
            except (ValueError, KeyError, TypeError) as error:
                raise PoolError(
                    f"{self.path}, line {number} is not a vote ({error}), so the votes cannot "
                    "be counted. Repair or delete that line."
                ) from error
        return found

    def _append(self, event: Mapping[str, object]) -> None:
        append_event(self.path, event)


def _apply(event: Json, standing: Standing) -> None:
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


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
