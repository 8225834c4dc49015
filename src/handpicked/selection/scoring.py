"""Every score of every row of a pool, without a selection."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked._version import __version__
from handpicked.catalogue import SCORERS, is_file
from handpicked.config import ScoreSettings
from handpicked.data import read
from handpicked.errors import ConfigError, PoolError, did_you_mean
from handpicked.records import Pool
from handpicked.records.response_parts import Part
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import ScoreColumn, Scorer
from handpicked.scorers.stored import Stored, StoredReason
from handpicked.scorers.text.of_part import of_part, part_of
from handpicked.selection import scores_page
from handpicked.selection.described import described, pool_described, versions
from handpicked.selection.execution import Execution
from handpicked.selection.kept_scores import modeled
from handpicked.selection.methods import scorers_for
from handpicked.selection.reasons import none_readable
from handpicked.selection.rejected import NAME as REJECTED
from handpicked.selection.rejected import RejectedRows
from handpicked.selection.scores import ScoredPool, score_pool
from handpicked.settings import settings_of
from handpicked.store import digest, write_json, write_text, writing
from handpicked.store.outfolder import MANIFEST, filling

PAGE = "report.html"
FILES = ("scores.parquet", REJECTED, PAGE, MANIFEST)


@dataclass(eq=False, repr=False)
class Scored:
    """The scores of a pool, by ``scorers``. Made by ``score``; rows = scored + rejected, always."""

    pool: Pool
    scorers: tuple[ScoreColumn, ...]
    part: Part
    scored: ScoredPool
    _keep_alive: Any = None

    def __len__(self) -> int:
        return self.scored.rows

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.scorers if not isinstance(one, StoredReason))
        return f"<Scores of {len(self):,} of {self.pool.rows:,} rows: {names}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(chr(10).join([repr(self)[1:-1], *value_lines(self.counts)]))}</pre>"

    @cached_property
    def table(self) -> pa.Table:
        """A line for every readable row, in pool order: ``row`` (its number in the pool), ``id`` (the hash of
        its messages), and the columns of each scorer. A value that could not be computed is null; for a
        model-based scorer, NAME_reason says why.
        """
        return pa.Table.from_batches(self.scored.batches(), self.scored.schema)

    @cached_property
    def rejected(self) -> RejectedRows:
        """The rows that could not be read, in pool order: a sequence whose lines are in a file. Raises
        PoolError where the pool changed since it was scored.
        """
        return RejectedRows.found(self.pool, self.scored.rows, self.scored.file.with_name(REJECTED))

    @cached_property
    def counts(self) -> dict[str, Any]:
        """How many rows were scored and rejected, and for each score how many values are null and why."""
        nulls, reasons = _nulls(self.scored, self.scorers)
        return {
            "pool": self.pool.rows,
            "scored": self.scored.rows,
            "rejected": len(self.rejected),
            "rejections": {part.reason: part.rows for part in self.rejected.reasons.dropped()},
            "null": nulls,
            **({"part": self.part} if any(map(part_of, self.scorers)) else {}),
            **({"reasons": reasons} if reasons else {}),
        }

    def write(self, out: str | Path) -> None:
        """Write scores.parquet, rejected.jsonl, report.html and manifest.json into ``out``. Raises
        StoreError.
        """
        with filling(Path(out), FILES) as folder:
            self.fill(folder)

    def fill(self, folder: Path, command: Sequence[str] = ()) -> None:
        """Write the files into ``folder``, the manifest last."""
        names = [one.name for one in self.scorers]
        with writing(folder):
            file = str(folder / "scores.parquet")
            with pq.ParquetWriter(
                file, self.scored.schema, compression="zstd", use_dictionary=names
            ) as writer:
                for batch in self.scored.batches():
                    writer.write_batch(batch)
            self.rejected.copy_to(folder)
            manifest = _manifest(self.pool, self.counts, self.scorers, command)
            write_text(folder / PAGE, scores_page.page(self, manifest))
            outputs = {name: digest(folder / name) for name in FILES if name != MANIFEST}
            write_json(folder / MANIFEST, {**manifest, "outputs": outputs})


def score(
    data: Any,
    by: str | Sequence[str],
    *,
    part: Part = "response",
    tokenizer: str | None = None,
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    **settings: Any,
) -> Scored:
    """The scores of every readable row of ``data`` by one scorer or several.

    ``data`` is a pool or anything that ``read`` takes. Text scorers score ``part`` of the response, and
    ``tokenizer`` counts its tokens. A scorer that needs a model, an endpoint or a target set takes
    ``settings``, the fields of ``ScoreSettings`` (``model="gpt-4o-mini"``, ``sample=1000``), and has several
    columns. What it computes is kept in the cache: a killed job resumes where it stopped.

    Raises:
        ConfigError: an unknown scorer or setting, or a scorer named twice.
        PoolError: ``data`` cannot be read, or none of its rows can.
    """
    names = [by] if isinstance(by, str) else by
    made = settings_of(ScoreSettings, settings, "")
    keep_alive = tempfile.TemporaryDirectory(prefix="handpicked-")
    found = _scored(
        read(data), names, Path(keep_alive.name), tokenizer=tokenizer, part=part, settings=made,
        execution=execution,
    )  # fmt: skip
    found._keep_alive = keep_alive
    return found


def score_into(
    pool: Pool,
    names: Sequence[str],
    out: str | Path,
    *,
    tokenizer: str | None = None,
    part: Part = "response",
    settings: ScoreSettings = ScoreSettings(),  # noqa: B008  (frozen)
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """``score`` written into the folder ``out``: scores.parquet (a line for every readable row),
    rejected.jsonl, report.html and manifest.json. Returns the counts.

    Raises:
        ConfigError: an unknown scorer, or one named twice.
        StoreError: ``out`` cannot be written.
    """
    check_names(names)
    with filling(Path(out), FILES) as folder:
        scored = _scored(
            pool, names, folder, tokenizer=tokenizer, part=part, settings=settings, execution=execution
        )
        scored.fill(folder, command)
        (folder / "scores.arrow").unlink()
        return scored.counts


def _scored(
    pool: Pool,
    names: Sequence[str],
    folder: Path,
    *,
    tokenizer: str | None,
    part: Part,
    settings: ScoreSettings,
    execution: Execution,
) -> Scored:
    """The scores of ``pool``, which wait in ``folder``."""
    check_names(names)
    made = scorers_for(names, settings, tokenizer)
    texts = [of_part(one, part) for one in made if isinstance(one, Scorer)]
    if part != "response" and not any(map(part_of, texts)):
        raise ConfigError(
            f"part: {' and '.join(names)} is of the whole response; only text scorers are of a part."
        )
    by_models = modeled(
        pool, [one for one in made if isinstance(one, PoolScorer)], settings,
        tokenizer=tokenizer, execution=execution,
    )  # fmt: skip
    scorers = (*texts, *(column for one in by_models for column in one.columns))
    scored = score_pool(
        pool, scorers, (), folder / "scores.arrow",
        workers=execution.workers, progress=execution.progress,
    )  # fmt: skip
    found = Scored(pool, scorers, part, scored)
    if not scored.rows and found.rejected:
        raise none_readable(found.rejected.reasons)
    return found


def value_lines(counts: Mapping[str, Any]) -> list[str]:
    """A line for each score: how many rows have a value, and the most frequent
    reasons of those that have none.
    """
    return [
        f"{name}: {counts['scored'] - nulls:,} of {counts['scored']:,} rows have a "
        f"value{_null_reasons(counts, name)}"
        for name, nulls in counts["null"].items()
    ]


def _null_reasons(counts: Mapping[str, Any], name: str) -> str:
    reasons = Counter(counts.get("reasons", {}).get(name, {})).most_common(3)
    listed = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return f"; of the others: {listed}" if listed else ""


def refuse_no_values(counts: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise PoolError for scorers that gave no row a value: nothing was scored."""
    empty = [name for name in names if counts["scored"] and counts["null"].get(name) == counts["scored"]]
    if empty:
        raise PoolError(
            "\n".join(
                f"{name}: not one of {counts['scored']:,} rows has a value{_null_reasons(counts, name)}"
                for name in empty
            )
        )


def _manifest(
    pool: Pool,
    counts: Mapping[str, Any],
    scorers: Sequence[ScoreColumn],
    command: Sequence[str],
) -> dict[str, Any]:
    """What was scored, how and from what."""
    return {
        "handpicked": __version__,
        "pool": pool_described(pool),
        "counts": counts,
        "scores": [described(scorer) for scorer in scorers],
        "command": list(command),
        "versions": versions(),
    }


def check_names(names: Sequence[str]) -> None:
    """Raise ConfigError for an unknown name, one given twice, or none at all."""
    known = SCORERS.names
    counts = Counter(names)
    mistakes = [
        f"scorer: there is no scorer '{name}'.{did_you_mean(name, known)}"
        for name in counts
        if not is_file(name) and name not in known
    ]
    mistakes += [
        f"scorer: '{name}' is named twice; columns of scores.parquet must differ."
        for name, count in counts.items()
        if count > 1 and name in known
    ]
    if not names:
        mistakes.append(f"scorer is missing: name at least one of {', '.join(known)}.")
    if mistakes:
        raise ConfigError(*mistakes)


def _nulls(
    scored: ScoredPool, scorers: Sequence[ScoreColumn]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The number of nulls of each score, and of those by a model how many for which reason."""
    nulls = {scorer.name: 0 for scorer in scorers if not isinstance(scorer, StoredReason)}
    reasons: dict[str, Counter[str]] = {
        scorer.name: Counter() for scorer in scorers if isinstance(scorer, Stored) and scorer.about
    }
    of = {scorer.name: scorer.reasons for scorer in scorers if isinstance(scorer, Stored)}
    for batch in scored.batches():
        for name in nulls:
            nulls[name] += batch[name].null_count
        for name, counts in reasons.items():
            counts.update(batch[of[name]].filter(batch[name].is_null()).to_pylist())
    return nulls, {name: dict(counts) for name, counts in reasons.items() if counts}
