"""``handpicked score``: every score of every row of a pool, without a selection."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from handpicked._version import __version__
from handpicked.catalogue import SCORERS, is_file
from handpicked.config import ScoreSettings
from handpicked.errors import ConfigError, PoolError, did_you_mean
from handpicked.parts import Part
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, Rejected, to_json
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import ScoreColumn, Scorer
from handpicked.scorers.stored import Stored, StoredReason
from handpicked.scorers.text.of_part import of_part, part_of
from handpicked.selection.kept_scores import modeled
from handpicked.selection.methods import scorers_for
from handpicked.selection.reasons import none_readable, rejections
from handpicked.selection.result import described, pool_described, versions
from handpicked.selection.scores import ScoredPool, score_pool
from handpicked.store import digest, write_json, writing
from handpicked.store.outfolder import MANIFEST, filling
from handpicked.workers import THIS_MACHINE, Workers

log = logging.getLogger(__name__)

FILES = ("scores.parquet", "rejected.jsonl", MANIFEST)


def score(
    pool: Pool,
    names: Sequence[str],
    out: str | Path,
    progress: Progress = SILENT,
    *,
    tokenizer: str | None = None,
    part: Part = "response",
    settings: ScoreSettings = ScoreSettings(),  # noqa: B008  (frozen)
    workers: Workers = THIS_MACHINE,
    command: Sequence[str] = (),
    keep_versions: bool = False,
    say: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Write scores.parquet (row, id, one column a scorer), rejected.jsonl and manifest.json into
    ``out``; return the counts.

    ``scores.parquet`` has a line for every readable row, in pool order; a score that could not be computed is
    null, and the manifest counts these and says why. Text scorers are of ``part`` of the response. Rows =
    scored + rejected, always. A scorer that needs a model, an endpoint or a target set works by ``settings``
    and has several columns, of which NAME_reason says why a value is null; ``say`` gets a line beforehand on
    what it will take. What it computes is kept in the cache: a killed job takes up where it stopped, with
    ``keep_versions`` also where other versions of libraries or methods began.

    Raises:
        ConfigError: an unknown scorer, or one named twice.
        StoreError: ``out`` cannot be written.
    """
    _check(names)
    made = scorers_for(names, settings, tokenizer)
    texts = [of_part(one, part) for one in made if isinstance(one, Scorer)]
    if part != "response" and not any(map(part_of, texts)):
        raise ConfigError(
            f"--part: {' and '.join(names)} is of the whole response; only text scorers are of a part."
        )
    by_models = modeled(
        pool, [one for one in made if isinstance(one, PoolScorer)], settings,
        tokenizer=tokenizer, workers=workers, keep_versions=keep_versions, say=say, progress=progress,
    )  # fmt: skip
    scorers = [*texts, *(column for one in by_models for column in one.columns)]
    with filling(Path(out), FILES) as folder, writing(folder):
        scored = score_pool(pool, scorers, (), folder / "scores.arrow", workers=workers, progress=progress)
        nulls, reasons = _write(scored, folder / "scores.parquet", scorers)
        rejected = _rejected(pool, scored.rows)
        if rejected and not scored.rows:
            raise none_readable(rejected)
        with (folder / "rejected.jsonl").open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(to_json(one) + "\n" for one in rejected)
        (folder / "scores.arrow").unlink()
        counts = {
            "pool": pool.rows,
            "scored": scored.rows,
            "rejected": len(rejected),
            "rejections": {part.reason: part.rows for part in rejections(rejected)},
            "null": nulls,
            **({"part": part} if any(map(part_of, texts)) else {}),
            **({"reasons": reasons} if reasons else {}),
        }
        write_json(folder / MANIFEST, _manifest(pool, counts, scorers, command, folder))
    return counts


def values_told(counts: Mapping[str, Any]) -> list[str]:
    """A line for each score: how many rows have a value, and the most frequent
    reasons of those that have none.
    """
    return [
        f"{name}: {counts['scored'] - nulls:,} of {counts['scored']:,} rows have a "
        f"value{_reasons_told(counts, name)}"
        for name, nulls in counts["null"].items()
    ]


def _reasons_told(counts: Mapping[str, Any], name: str) -> str:
    reasons = Counter(counts.get("reasons", {}).get(name, {})).most_common(3)
    told = "; ".join(f"{reason} ({count:,})" for reason, count in reasons)
    return f"; of the others: {told}" if told else ""


def refuse_no_values(counts: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise PoolError for scorers that gave no row a value: nothing was scored."""
    empty = [name for name in names if counts["scored"] and counts["null"].get(name) == counts["scored"]]
    if empty:
        raise PoolError(
            "\n".join(
                f"{name}: not one of {counts['scored']:,} rows has a value{_reasons_told(counts, name)}"
                for name in empty
            )
        )


def _manifest(
    pool: Pool,
    counts: Mapping[str, Any],
    scorers: Sequence[ScoreColumn],
    command: Sequence[str],
    folder: Path,
) -> dict[str, Any]:
    """What was scored, how and from what, with hashes of the files in ``folder``."""
    return {
        "handpicked": __version__,
        "pool": pool_described(pool),
        "counts": counts,
        "scores": [described(scorer) for scorer in scorers],
        "command": list(command),
        "outputs": {name: digest(folder / name) for name in FILES if name != MANIFEST},
        "versions": versions(),
    }


def _check(names: Sequence[str]) -> None:
    """Raise ConfigError for an unknown name, one given twice, or none at all."""
    known = SCORERS.names
    counts = Counter(names)
    mistakes = [
        f"--scorer: there is no scorer '{name}'.{did_you_mean(name, known)}"
        for name in counts
        if not is_file(name) and name not in known
    ]
    mistakes += [
        f"--scorer: '{name}' is named twice; columns of scores.parquet must differ."
        for name, count in counts.items()
        if count > 1 and name in known
    ]
    if not names:
        mistakes.append(f"--scorer is missing: name at least one of {', '.join(known)}.")
    if mistakes:
        raise ConfigError(*mistakes)


def _write(
    scored: ScoredPool, file: Path, scorers: Sequence[ScoreColumn]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Write the scores; the number of nulls of each, and of those by a model how many for which reason."""
    names = [scorer.name for scorer in scorers]
    nulls = {scorer.name: 0 for scorer in scorers if not isinstance(scorer, StoredReason)}
    reasons: dict[str, Counter[str]] = {
        scorer.name: Counter() for scorer in scorers if isinstance(scorer, Stored) and scorer.about
    }
    of = {scorer.name: scorer.reasons for scorer in scorers if isinstance(scorer, Stored)}
    with pq.ParquetWriter(file, scored.schema, compression="zstd", use_dictionary=names) as writer:
        for batch in scored.batches():
            writer.write_batch(batch)
            for name in nulls:
                nulls[name] += batch[name].null_count
            for name, counts in reasons.items():
                counts.update(batch[of[name]].filter(batch[name].is_null()).to_pylist())
    return nulls, {name: dict(counts) for name, counts in reasons.items() if counts}


def _rejected(pool: Pool, scored: int) -> list[Rejected]:
    rejected = list(pool.rejected()) if scored < pool.rows else []
    if scored + len(rejected) != pool.rows:
        raise PoolError(
            f"the pool changed while it was read: {pool.rows:,} rows, {scored:,} scored, "
            f"{len(rejected):,} unreadable. "
            "Run again when nothing writes to it."
        )
    return rejected
