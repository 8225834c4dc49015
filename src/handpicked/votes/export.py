"""Exports all valid votes with the judges' verdicts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict

from handpicked.records import LINE
from handpicked.results.sections.people import People
from handpicked.votes.case import Case
from handpicked.votes.votes import TAGS, Standing, Vote

FIELDS = ("annotator", "prompt_id", "test_set", "a", "b", "outcome", "first", "note", "seconds", "time")


def as_json(standing: Standing, known: Mapping[str, Case], summary: People) -> str:
    """``{"summary": ..., "votes": [...]}``; a vote holds its texts and each judge's outcomes."""
    votes = [
        {**asdict(vote), **_texts(known[vote.case]), "verdicts": _verdicts(known[vote.case])}
        for vote in standing.votes.values()
        if vote.case in known
    ]
    return json.dumps({"summary": summary, "votes": votes}, default=LINE.default, indent=2)


def as_csv(standing: Standing, known: Mapping[str, Case]) -> str:
    """One row a vote: its fields, a column of 0 or 1 for each reason, two columns for each judge."""
    votes = [vote for vote in standing.votes.values() if vote.case in known]
    judges = list(dict.fromkeys(v.judge for vote in votes for v in known[vote.case].verdicts))
    rules = [f"{judge} ({rule})" for judge in judges for rule in ("strict", "summed")]
    out = io.StringIO()
    table = csv.DictWriter(out, (*FIELDS, *TAGS, *rules), lineterminator="\n")
    table.writeheader()
    for vote in votes:
        table.writerow({key: _cell(value) for key, value in _row(vote, known[vote.case]).items()})
    return out.getvalue()


def _row(vote: Vote, case: Case) -> dict[str, object]:
    fields = {**asdict(vote), "test_set": case.pair.test_set}
    return {
        **{name: fields[name] for name in FIELDS},
        **{tag: int(tag in vote.tags) for tag in TAGS},
        **{f"{v.judge} (strict)": v.strict for v in case.verdicts},
        **{f"{v.judge} (summed)": v.summed for v in case.verdicts},
    }


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _texts(case: Case) -> dict[str, object]:
    pair = case.pair
    return {
        "test_set": pair.test_set,
        "prompt": pair.prompt,
        "answer_a": pair.answer_a,
        "answer_b": pair.answer_b,
    }


def _verdicts(case: Case) -> list[dict[str, str]]:
    return [{"judge": v.judge, "strict": v.strict, "summed": v.summed} for v in case.verdicts]
