"""``handpicked score``: computes scores and selects nothing."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handpicked.cli import dry_runs, options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import next_step, say
from handpicked.errors import ConfigError
from handpicked.records.response_parts import Part

if TYPE_CHECKING:
    from handpicked.records import Pool


def score(
    pool: options.PoolFiles,
    *,
    scorer: Annotated[list[str], typer.Option(help="A scorer; may be given again.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the scores.", show_default=False)
    ] = None,
    tokenizer: options.TokenizerName = None,
    part: options.ResponsePart = "response",
    reading: options.ReadingOptions,
    place: options.PlaceOptions,
    method: options.ScorerOptions,
    set_: options.ScoreSet = None,
    keep_versions: options.KeepVersions = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Score every row and select nothing: scores.parquet, rejected.jsonl, report.html, manifest.json."""
    from handpicked.selection.estimated import score_estimates
    from handpicked.selection.execution import Execution
    from handpicked.selection.scoring import PAGE, refuse_no_values, score_into
    from handpicked.settings import assigned, score_settings

    named, scorers = assigned(set_ or [])
    settings = score_settings({**named, **scorers}, **asdict(method))
    rows = reading.read(pool)
    if dry_run:
        takes = score_estimates(rows, scorer, settings, tokenizer)
        said = {name: forecast.sentence for name, forecast in takes.items()}
        dry_runs.show({"pool": rows.rows, "scorers": said}, [f"{n}: {t}" for n, t in said.items()], as_json)
        return
    if out is None:
        raise ConfigError("-o is missing: the folder for the scores.")
    workers = place.workers()
    with bars() as progress:
        execution = Execution(workers, keep_versions=keep_versions, say=say, progress=progress)
        counts = score_into(
            rows, scorer, out, tokenizer=tokenizer, part=part, settings=settings, execution=execution,
            command=["handpicked", *sys.argv[1:]],
        )  # fmt: skip
    if as_json:
        print(json.dumps({"out": str(out), "report": str(out / PAGE), "format": rows.format, **counts}))
    else:
        _show(out, rows, part, counts)
    refuse_no_values(counts, scorer)
    if not as_json:
        same = {"--tokenizer": tokenizer, "--model": method.model, "--target": method.target}
        next_step(_next(pool, scorer, out, [f"{name}={value}" for name, value in same.items() if value]))


def _next(pool: list[str], scorers: list[str], out: Path, same: list[str]) -> str:
    """What to do with the scores: select by the first that has a better end, with the ``same`` options."""
    from handpicked.catalogue import SCORERS

    ranked = [name for name in scorers if SCORERS.find(name, "scorer").better != "none"]
    if not ranked:
        return f"look at the rows and their scores: handpicked explore {shlex.quote(str(out))}"
    words = ["handpicked", "select", *pool, "--by", ranked[0], *same]
    return f"keep the best rows: {shlex.join(words)} --size 1000 -o FOLDER"


def _show(out: Path, rows: Pool, part: Part, counts: Mapping[str, Any]) -> None:
    """Print what was scored, what was rejected and why, and the values."""
    from handpicked.records import Dropped
    from handpicked.scorers.text.of_part import SAID
    from handpicked.selection.described import unread_of
    from handpicked.selection.reasons import rejection_lines, unread_lines
    from handpicked.selection.scoring import value_lines

    say(f"{rows.format}: {rows.why}")
    print(f"{out}: {counts['scored']:,} of {counts['pool']:,} rows read, {counts['rejected']:,} rejected")
    for line in rejection_lines([Dropped(why, count) for why, count in counts["rejections"].items()]):
        print(line)
    for line in unread_lines(unread_of(rows), rows.rows):
        print(line)
    if "part" in counts:
        print(f"Texts are scored by {SAID[part]}.")
    for line in value_lines(counts):
        print(line)
