"""What a chat template makes of the rows: those it refuses, their lengths, and what a maximal length cuts."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from handpicked.errors import Refused
from handpicked.models.encode import cut, response_turns
from handpicked.models.template import Encoded, Template
from handpicked.pool_audit.lengths import LengthTally
from handpicked.pool_audit.places import Places, shortened
from handpicked.pool_audit.plan import AuditPlan
from handpicked.pool_audit.record import Reason, Rendered
from handpicked.progress import Progress
from handpicked.records import Example, Pool

QUOTED = re.compile(r"\(.*\)|'[^']*'|\d+", re.DOTALL)
"""What differs between two refusals for the same reason."""


@dataclass
class Tally:
    """Counts what a template makes of rows; ``reasons`` by their kind, each with its first row."""

    template: Template
    max_length: int | None
    rows: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[Example, str]] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    as_text: int = 0
    unshown: int = 0
    unlearned: int = 0
    cut: int = 0
    no_response: int = 0
    lost: int = 0

    def add(self, example: Example) -> None:
        """Count a row."""
        self.rows += 1
        try:
            whole = self.template.encode(example.messages, response_turns(example))
        except Refused as error:
            kind = QUOTED.sub("", error.reason)
            self.refused += 1
            self.reasons[kind] += 1
            self.first.setdefault(kind, (example, error.reason))
            return
        self.as_text += self.template.writes_as_text(example.messages)
        self.unshown += self.template.unshown_tools(example.messages)
        self.unlearned += whole.unlearned
        self.lengths.append(len(whole.ids))
        if self.max_length is not None:
            self._cut(whole, self.max_length)

    def _cut(self, whole: Encoded, most: int) -> None:
        if len(whole.ids) > most:
            self.cut += 1
            self.lost += len(whole.ids) - most
            self.no_response += cut(whole, most, self.template.end_id) is None


def render_rows(
    pool: Pool, plan: AuditPlan, places: Places, readable: int, progress: Progress
) -> Rendered | None:
    """Try the plan's template on every row, or on a random sample of them with a fixed seed.

    Raises:
        TrainingError: the template exceeds the sandbox's bounds on a row.
    """
    if plan.template is None:
        return None
    rows = _sample(pool.rows, plan.sample)
    tally = Tally(plan.template, plan.max_length)
    with progress("render", len(rows)) as step:
        for example in pool.examples(rows):
            tally.add(example)
            step(1)
    lengths = LengthTally("whole row")
    lengths.count(tally.lengths)
    limited = plan.max_length is not None
    return Rendered(
        template=plan.template.name,
        tokenizer=plan.tokenizer,
        rows=tally.rows,
        of=readable,
        refused=tally.refused,
        reasons=tuple(
            _reason(*tally.first[kind], rows, places) for kind, rows in tally.reasons.most_common()
        ),
        lengths=lengths.result(),
        as_text=tally.as_text,
        unshown_tools=tally.unshown,
        unlearned=tally.unlearned,
        max_length=plan.max_length,
        cut=tally.cut if limited else None,
        no_response=tally.no_response if limited else None,
        tokens=sum(tally.lengths),
        tokens_lost=tally.lost if limited else None,
    )


def _reason(example: Example, reason: str, rows: int, places: Places) -> Reason:
    file, place = places.of(example.row)
    return Reason(reason, rows, file, f"row {place}", shortened(example.prompt))


def _sample(rows: int, most: int | None) -> Sequence[int]:
    if most is None or rows <= most:
        return range(rows)
    return sorted(random.Random(0).sample(range(rows), most))
