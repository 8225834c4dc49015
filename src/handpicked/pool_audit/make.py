"""The audit itself: one pass over the pool for its scores, one over the scores for what is counted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from handpicked._version import __version__
from handpicked.errors import PoolError
from handpicked.pool_audit.against import AgainstTally, Reference, read_reference
from handpicked.pool_audit.columns import PARTS, length_column, length_columns
from handpicked.pool_audit.copies import SCORERS, Found, find_copies
from handpicked.pool_audit.guards import GuardTally
from handpicked.pool_audit.languages import LanguageTally, answer_language
from handpicked.pool_audit.lengths import LengthTally
from handpicked.pool_audit.places import Gallery, Places, shortened
from handpicked.pool_audit.plan import AuditPlan
from handpicked.pool_audit.record import FORMAT, Audit, Measure, Reason
from handpicked.pool_audit.rendered import render_rows
from handpicked.pool_audit.values import RoleTally, ValueTally
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, Rejected, Turns
from handpicked.scorers.scorer import Scorer
from handpicked.selection.described import unread_of
from handpicked.selection.reasons import none_readable, reasons_of
from handpicked.selection.scores import BatchScorer, ScoredPool, score_pool
from handpicked.selectors.selector import Scores

FIELDS = ("source", RoleTally.column)


class Tally(Protocol):
    """What counts something while the scores pass."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        ...


def make_audit(pool: Pool, plan: AuditPlan, progress: Progress = SILENT) -> Audit:
    """Audit ``pool`` by the plan.

    Memory does not grow with the pool, except for finding copies (see ``copies.find_copies``) and for the
    files of ``against``. Scores are in a temporary file, some 700 bytes a row.

    Raises:
        PoolError: no row can be read, or the pool changes meanwhile; a file to compare with cannot be read.
    """
    references = [read_reference(name, at, _turns(pool)) for at, name in enumerate(plan.against, start=1)]
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        file = Path(scratch) / "scores.arrow"
        language = answer_language(pool.rows)
        scorers = [*_scorers(plan, references), *([] if language is None else [language])]
        scored = score_pool(pool, scorers, FIELDS, file, progress=progress)
        rejected = _Rejections(pool, scored.rows)
        languages = None if language is None else LanguageTally(language)
        return _counted(pool, plan, references, scored, rejected, languages, progress)


def _turns(pool: Pool) -> Turns:
    """The rule that separates the pool's prompts and responses."""
    found: Turns = getattr(pool, "turns", "last")
    return found


def _scorers(plan: AuditPlan, references: Sequence[Reference]) -> list[BatchScorer]:
    """What is computed of every row, each once."""
    scorers: dict[str, BatchScorer] = {one.name: one for one in SCORERS}
    scorers |= {one.name: one for guard in plan.guards for one in guard.scorers}
    scorers |= {one.name: one for one in length_columns(plan.measure)}
    scorers |= {one.column.name: one.column for one in references}
    return list(scorers.values())


class _Rejections:
    """The rejected rows: how many in which file, and why. Raises PoolError where no row is readable."""

    def __init__(self, pool: Pool, readable: int) -> None:
        self.rows = pool.rows - readable
        self.places = Places(pool)
        self.by_file: Counter[int] = Counter()
        found = reasons_of(self._counting(pool.rejected() if self.rows else ()))
        if sum(self.by_file.values()) != self.rows:
            raise PoolError(
                f"the pool changed while it was read: {self.rows:,} of its {pool.rows:,} rows gave no "
                f"score, but {sum(self.by_file.values()):,} are unreadable now. Run again when nothing "
                "writes to it."
            )
        if not readable:
            raise none_readable(found, "audited")
        self.reasons = tuple(
            Reason(
                one.reason,
                rows,
                self.places.of(one.row)[0],
                one.place,
                shortened(one.excerpt),
            )
            for one, rows in found.listed()
        )

    def _counting(self, rejected: Iterable[Rejected]) -> Iterable[Rejected]:
        for one in rejected:
            self.by_file[int(self.places.file_of(one.row))] += 1
            yield one


def _counted(
    pool: Pool,
    plan: AuditPlan,
    references: Sequence[Reference],
    scored: ScoredPool,
    rejected: _Rejections,
    languages: LanguageTally | None,
    progress: Progress,
) -> Audit:
    """The audit, from the scores."""
    scores = Scores(scored.batches, scored.rows, scored.file.parent)
    lengths = [LengthTally(part, length_column(part)) for part in PARTS]
    roles, sources = RoleTally(), ValueTally("source", "source")
    guards = [GuardTally(one, scores, scored.schema) for one in plan.guards]
    against = AgainstTally(references)
    tallies: list[Tally] = [*lengths, roles, sources, *guards, against]
    tallies += [] if languages is None else [languages]
    copies = find_copies(scored)
    for batch in scored.batches():
        for tally in tallies:
            tally.add(batch)
    gallery = Gallery(pool, rejected.places, _first(guards, against, copies))
    return Audit(
        format=FORMAT,
        handpicked=__version__,
        files=rejected.places.files(rejected.by_file),
        recognised=f"{pool.format}: {pool.why}",
        rows=pool.rows,
        readable=scored.rows,
        rejected=rejected.rows,
        rejections=rejected.reasons,
        measure=_measure(plan.measure),
        lengths=tuple(one.result() for one in lengths),
        conversations=roles.result(),
        languages=None if languages is None else languages.result(scored.rows),
        sources=sources.result(),
        unread=unread_of(pool),
        guards=tuple(one.result(gallery) for one in guards),
        not_audited=plan.not_audited,
        copies=tuple(one.found(rejected.places, gallery) for one in copies),
        against=against.each(gallery),
        against_any=against.any(),
        rendered=render_rows(pool, plan, rejected.places, scored.rows, progress),
    )


def _first(guards: Sequence[GuardTally], against: AgainstTally, copies: Sequence[Found]) -> Iterable[int]:
    """Every row that is shown."""
    yield from (row for one in guards for row in one.first)
    yield from (row for one in copies for row in one.first)
    yield from against.first


def _measure(measure: Scorer) -> Measure:
    identity = measure.recorded.get("tokenizer", {})
    return Measure(measure.name, measure.unit, identity if isinstance(identity, dict) else {})
