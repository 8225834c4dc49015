"""``handpicked score``: every score of every row of a pool, and nothing selected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handpicked._version import __version__
from handpicked.engine import Runner
from handpicked.errors import ConfigError, PoolError, did_you_mean
from handpicked.pick.methods import MEASURES, SCORERS, text_scorer
from handpicked.pick.outfolder import MANIFEST, filling
from handpicked.pick.scored import ScoredPool, score_pool
from handpicked.pick.selection import described, versions
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, Rejected, to_json
from handpicked.score.scorer import Scorer
from handpicked.store import digest, write_json, writing

FILES = ("scores.parquet", "rejected.jsonl", MANIFEST)


def score(
    pool: Pool,
    names: Sequence[str],
    out: str | Path,
    progress: Progress = SILENT,
    *,
    tokenizer: str | None = None,
    runner: Runner = "native",
    address: str | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Write scores.parquet (row, id, one column a scorer), rejected.jsonl and manifest.json into ``out``; return the counts.

    ``scores.parquet`` has a line for every readable row, in pool order; a score that could not be computed is null, and the
    manifest counts these and says why. Rows = scored + rejected, always.

    Raises:
        ConfigError: an unknown scorer, or one named twice.
        StoreError: ``out`` cannot be written.
    """
    scorers = _scorers(names, tokenizer)
    with filling(Path(out), FILES) as folder, writing(folder):
        scored = score_pool(
            pool, scorers, (), folder / "scores.arrow", runner=runner, address=address, progress=progress
        )
        nulls = _write(scored, folder / "scores.parquet", [scorer.name for scorer in scorers])
        rejected = _rejected(pool, scored.rows)
        with (folder / "rejected.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.writelines(to_json(one) + "\n" for one in rejected)
        (folder / "scores.arrow").unlink()
        counts = {"pool": pool.rows, "scored": scored.rows, "rejected": len(rejected), "null": nulls}
        manifest = {
            "handpicked": __version__,
            "pool": {
                "format": pool.format,
                "why": pool.why,
                "rows": pool.rows,
                "inputs": [dict(f) for f in pool.inputs()],
            },
            "counts": counts,
            "scores": [described(scorer) for scorer in scorers],
            "command": list(command),
            "outputs": {name: digest(folder / name) for name in FILES if name != MANIFEST},
            "versions": versions(),
        }
        write_json(folder / MANIFEST, manifest)
    return counts


def _scorers(names: Sequence[str], tokenizer: str | None) -> list[Scorer]:
    found: list[Scorer] = []
    mistakes = []
    known = (*MEASURES, *SCORERS)
    for name in names:
        scorer = text_scorer(name, tokenizer)
        if scorer is None:
            mistakes.append(f"--scorer: there is no scorer '{name}'.{did_you_mean(name, known)}")
        elif any(scorer.name == other.name for other in found):
            mistakes.append(f"--scorer: '{name}' is named twice; columns of scores.parquet must differ.")
        else:
            found.append(scorer)
    if not names:
        mistakes.append(f"--scorer is missing: name at least one of {', '.join(known)}.")
    if mistakes:
        raise ConfigError(*mistakes)
    return found


def _write(scored: ScoredPool, file: Path, names: Sequence[str]) -> dict[str, int]:
    """Write the scores; the number of nulls of each."""
    import pyarrow.parquet as pq

    nulls = dict.fromkeys(names, 0)
    with pq.ParquetWriter(file, scored.schema, compression="zstd", use_dictionary=list(names)) as writer:
        for batch in scored.batches():
            writer.write_batch(batch)
            for name in names:
                nulls[name] += batch[name].null_count
    return nulls


def _rejected(pool: Pool, scored: int) -> list[Rejected]:
    rejected = list(pool.rejected()) if scored < pool.rows else []
    if scored + len(rejected) != pool.rows:
        raise PoolError(
            f"the pool changed while it was read: {pool.rows:,} rows, {scored:,} scored, {len(rejected):,} unreadable. "
            "Run again when nothing writes to it."
        )
    return rejected
