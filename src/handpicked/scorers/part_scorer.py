"""The contract of a pool scorer whose work goes in parts, over devices and hosts."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import pyarrow as pa

from handpicked.progress import Progress
from handpicked.records import Example, Pool
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer, write_tables
from handpicked.store import write_json
from handpicked.workers import Part, PartFiles, Work, Workers, run_parts

EARLIER = (
    *("losses.jsonl", "rows.jsonl", "batches.jsonl", "step-*.jsonl", "target-*.npy", "vectors.npy"),
    *("started.json", "counts.npy", "done"),
)
"""Files of unfinished work from before work was done in parts."""


Ready = TypeVar("Ready")
"""What a worker reads, before it computes: rows as tokens, batches."""


class RowsWork(Protocol[Ready]):
    """What one worker does with the rows of a part."""

    def read(self, section: int, examples: Sequence[Example]) -> Ready:
        """The rows as the model reads them. On the CPU, in a thread, while the part before is computed."""
        ...

    def read_beside(self, section: int, first: int, end: int) -> Ready:
        """The same of items ``first`` to ``end`` of a section that is not of rows."""
        ...

    def compute(self, ready: Ready, step: Callable[[float], None]) -> pa.Table:
        """The table of a part (``row``, the value columns, ``reason``, or what ``finish`` expects).
        ``step`` counts rows.
        """
        ...


class PartScorer(PoolScorer):
    """Scores a pool in parts of ``part_rows`` rows. A frozen dataclass, picklable: it travels to workers."""

    part_rows: ClassVar[int] = 2048
    """Rows of a part: what a kill may cost, and few enough that a cluster is kept busy. Batches, and with
    them the last digits of values, depend on it.
    """

    @abstractmethod
    def opened(self) -> RowsWork[Any]:
        """What does the work in one worker. Loads a tokenizer, and its model when it first computes."""

    @abstractmethod
    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """The facts of the whole, from those that each part noted."""

    def sections(self, rows: int) -> tuple[int, ...]:
        """How many items each section has. All rows, once, unless a scorer says otherwise."""
        return (rows,)

    def of_rows(self, section: int) -> bool:
        """Whether the items of a section are rows of the pool."""
        del section
        return True

    def finish(self, files: PartFiles, work: Path) -> None:
        """Write the scores of the whole from its parts: one after the other, for a scorer of ``item`` scope."""
        write_json(work / FACTS, self.facts(files.facts()))
        write_tables(work, files.tables())

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """See ``PoolScorer``: on all devices of this machine."""
        self.score_on(Workers(), pool, rows, work, progress)

    def forget_earlier(self, work: Path) -> bool:
        """See ``PoolScorer``. Before 0.2.0 scorers kept journals of rows and batches in place of parts."""
        found = [] if (work / SCORES).exists() else [path for one in EARLIER for path in work.rglob(one)]
        for path in found:
            path.unlink()
        if found:
            shutil.rmtree(work / "tokens", ignore_errors=True)
        return bool(found)

    def score_on(
        self, workers: Workers, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress
    ) -> None:
        """See ``PoolScorer``."""
        self.score_task(Scoring(self, pool, rows), workers, work, progress)

    def score_task(self, task: Scoring, workers: Workers, work: Path, progress: Progress) -> None:
        """``score_on``, of a task. What is done in ``work`` is not done again."""
        if (work / SCORES).is_file():
            return
        sections = self.sections(task.pool.rows if task.rows is None else len(task.rows))
        files = PartFiles.of(work, sections, self.part_rows)
        run_parts(task, files, workers, progress)
        self.finish(files, work)
        files.remove()


@dataclass(frozen=True)
class Scoring:
    """A scorer's work on a pool, as a task in parts."""

    scorer: PartScorer
    pool: Pool
    rows: Sequence[int] | None
    items: str = "rows"

    @property
    def name(self) -> str:
        """See ``workers.Task``."""
        return self.scorer.name

    @property
    def libraries(self) -> Sequence[str]:
        """See ``workers.Task``."""
        return self.scorer.libraries

    def open(self) -> Work:
        """See ``workers.Task``."""
        return _OnePool(self.scorer, RowReader(self.pool, self.rows), self.opened())

    def opened(self) -> RowsWork[Any]:
        """What does the work in one worker."""
        return self.scorer.opened()


@dataclass
class _OnePool:
    """A scorer's work in one worker, which reads its own rows."""

    scorer: PartScorer
    reader: RowReader
    work: RowsWork[Any]

    def read(self, part: Part) -> object:
        if not self.scorer.of_rows(part.section):
            return self.work.read_beside(part.section, part.first, part.end)
        return self.work.read(part.section, self.reader.read(part.first, part.end))

    def compute(self, ready: object, step: Callable[[float], None]) -> pa.Table:
        return self.work.compute(ready, step)


@dataclass
class RowReader:
    """Reads spans of the rows of a pool (``rows``, ascending, or all). Spans that follow one another are read
    in one sweep: a pool can only be read from the start of a shard.
    """

    pool: Pool
    rows: Sequence[int] | None
    _sweep: Iterator[Example] = field(default_factory=lambda: iter(()))
    _at: int = -1
    _next: Example | None = None

    def read(self, first: int, end: int) -> list[Example]:
        """The readable rows among those from place ``first`` to ``end`` (exclusive)."""
        every: Sequence[int] = range(self.pool.rows) if self.rows is None else self.rows
        if first != self._at:
            self._sweep = iter(self.pool.examples(every[first:]))
            self._next = next(self._sweep, None)
        found: list[Example] = []
        beyond = every[end] if end < len(every) else None
        while self._next is not None and (beyond is None or self._next.row < beyond):
            found.append(self._next)
            self._next = next(self._sweep, None)
        self._at = end
        return found


def summed(noted: Iterable[Mapping[str, object]]) -> Counter[str]:
    """The sums of the numbers that parts noted."""
    total: Counter[str] = Counter()
    for one in noted:
        total.update(one)
    return total
