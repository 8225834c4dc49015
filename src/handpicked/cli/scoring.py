"""``handpicked score``: computes scores and selects nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import say
from handpicked.cli.workplace import workplace
from handpicked.records import Runner


def score(
    pool: options.PoolFiles,
    scorer: Annotated[list[str], typer.Option(help="A scorer; may be given again.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the scores.", show_default=False)],
    tokenizer: options.TokenizerName = None,
    part: options.ResponsePart = "response",
    turns: options.ResponseTurns = "last",
    pool_format: options.PoolFormat = None,
    map_: options.FieldMap = None,
    max_row_mb: options.MaxRow = 256,
    runner: Annotated[Runner, typer.Option(help="Where to run: here, or on Ray.")] = "native",
    address: options.RayAddress = None,
    devices: options.Devices = "all",
    model: options.ScoreModel = None,
    target: options.Target = None,
    sample: options.Sample = None,
    prefilter: options.Prefilter = None,
    max_cost: options.MaxCost = None,
    set_: options.ScoreSet = None,
    keep_versions: options.KeepVersions = False,
    as_json: options.Json = False,
) -> None:
    """Score every row and select nothing: scores.parquet, rejected.jsonl, manifest.json."""
    from handpicked.data import read
    from handpicked.records import Dropped
    from handpicked.scorers.text.of_part import SAID
    from handpicked.selection.reasons import rejection_lines, unread_lines
    from handpicked.selection.result import unread_of
    from handpicked.selection.scoring import refuse_no_values, values_told
    from handpicked.selection.scoring import score as score_rows
    from handpicked.settings import assigned, mapping_of, score_settings

    method, scorers = assigned(set_ or [])
    settings = score_settings(
        {**method, **scorers},
        model=model,
        target=target,
        sample=sample,
        prefilter=prefilter,
        max_cost=max_cost,
    )
    workers = workplace(runner, address, devices)
    rows = read(pool, format=pool_format, map=mapping_of("--map", map_), turns=turns, max_row_mb=max_row_mb)
    with bars() as progress:
        counts = score_rows(
            rows, scorer, out, progress, tokenizer=tokenizer, part=part, workers=workers,
            command=["handpicked", *sys.argv[1:]], settings=settings, keep_versions=keep_versions, say=say,
        )  # fmt: skip
    if as_json:
        print(json.dumps({"out": str(out), "format": rows.format, **counts}))
    else:
        say(f"{rows.format}: {rows.why}")
        print(f"{out}: {counts['scored']:,} of {counts['pool']:,} rows read, {counts['rejected']:,} rejected")
        for line in rejection_lines([Dropped(why, count) for why, count in counts["rejections"].items()]):
            print(line)
        for line in unread_lines(unread_of(rows), rows.rows):
            print(line)
        if "part" in counts:
            print(f"Texts are scored by {SAID[part]}.")
        for line in values_told(counts):
            print(line)
    refuse_no_values(counts, scorer)
