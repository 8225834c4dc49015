"""The contract of a scorer that needs more of the pool than one batch: a model, an endpoint, a target set."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from handpicked.method import Method
from handpicked.progress import Progress
from handpicked.records import Better, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.scorer import Scope
from handpicked.workers import Workers

SCORES = "scores.arrow"
"""The file that a pool scorer leaves in its work folder."""
FACTS = "facts.json"
"""A file that it may leave there too: additional facts (a JSON object), kept in manifests."""


class PoolScorer(Method, ABC):
    """Scores a whole pool (or some rows of it) into a folder. A frozen dataclass; its fields
    are its recorded settings.

    Unlike a ``Scorer`` it may sort rows by length, keep requests in flight and resume. A row's value still
    depends on that row alone where ``scope`` is ``item``: not on the batch, its batch-mates, the order or the
    padding (to 1e-4).
    """

    values: ClassVar[tuple[str, ...]]
    """All value columns it makes, ``name`` first; the others begin with it (``ifd``, ``ifd_truncated``), so
    that no two scorers make columns of the same name.
    """
    unit: ClassVar[str] = ""
    """What one unit of ``name`` is."""
    better: ClassVar[Better] = "none"
    """Which end a selection by it keeps; ``none``: the user must say."""
    scope: ClassVar[Scope] = "item"
    """``item``: a row's value depends on that row alone. ``set``: on the other rows too."""
    ceiling: ClassVar[float | None] = None
    """The highest value that counts in a selection by it."""

    @classmethod
    def made_columns(cls, name: str) -> tuple[str, ...]:
        """The value columns of the method ``name`` of this class. NAME_rank holds ranks (1 the first to be
        taken), where rows are ranked as a set.
        """
        del name
        return cls.values

    @abstractmethod
    def identity(self) -> str:
        """What it depends on besides its settings: hashes of model, prompt and tokenizer. Part of the
        fingerprint.

        Raises:
            ModelError, ConfigError: the model or file is missing or not of the kind that is needed.
        """

    @abstractmethod
    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """What scoring will take (time, tokens, dollars), before it begins. Reads no model weights."""

    @abstractmethod
    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """Score ``rows`` (ascending; None: every readable row) and leave ``work / SCORES``,
        written by ``write_scores``.

        ``work`` may hold the files of an interrupted attempt with the same fingerprint: finished work is not
        repeated, and nothing is paid for twice.
        """

    def score_on(
        self, workers: Workers, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress
    ) -> None:
        """``score`` by ``workers``. A scorer that has no parts to distribute, such as one that calls an
        endpoint, works in this process.
        """
        del workers
        self.score(pool, rows, work, progress)

    def forget_earlier(self, work: Path) -> bool:
        """Remove from ``work`` the unfinished files of an earlier version that this one cannot resume.
        Returns whether there were any.
        """
        del work
        return False


def write_scores(work: Path, table: pa.Table) -> None:
    """Write the scores of a pool scorer, whole or not at all: ``row`` (int64), one float64 column a
    value, ``reason`` (string).

    Rows ascend. A value is null where there is none, never NaN; ``reason`` says why and is null otherwise.
    """
    write_tables(work, [table.sort_by("row")])


def write_tables(work: Path, tables: Iterable[pa.Table]) -> None:
    """``write_scores`` of tables that follow one another, rows ascending, one in memory at a time. There is
    at least one.
    """
    aside = work / f".{SCORES}.part"
    following = iter(tables)
    first = next(following)
    schema = first.schema.remove_metadata()
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for table in itertools.chain([first], following):
            for name in table.column_names:
                if pa.types.is_floating(table[name].type) and pc.any(pc.is_nan(table[name])).as_py():
                    raise AssertionError(f"{name} has NaN where it should have null and a reason")
            writer.write_table(table.replace_schema_metadata(None))
    aside.replace(work / SCORES)


def read_scores(work: Path) -> pa.Table:
    """What ``write_scores`` left in ``work``, by row, ascending."""
    with pa.OSFile(str(work / SCORES), "rb") as source:
        return pa.ipc.open_file(source).read_all()
