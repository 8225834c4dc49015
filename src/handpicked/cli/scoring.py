"""Every score of every row, and nothing selected."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from handpicked.bars import bars
from handpicked.cli.options import (
    FieldMap,
    Json,
    PoolFiles,
    PoolFormat,
    Prefilter,
    RayAddress,
    ResponseTurns,
    Sample,
    ScoreModel,
    ScoreSet,
    Target,
    TokenizerName,
)
from handpicked.cli.terminal import say
from handpicked.engine import Runner


def score(
    pool: PoolFiles,
    scorer: Annotated[list[str], typer.Option(help="A scorer; may be given again.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the scores.", show_default=False)],
    tokenizer: TokenizerName = None,
    turns: ResponseTurns = "last",
    pool_format: PoolFormat = None,
    map_: FieldMap = None,
    runner: Annotated[Runner, typer.Option(help="Where to work: here, or on Ray.")] = "native",
    address: RayAddress = None,
    model: ScoreModel = None,
    target: Target = None,
    sample: Sample = None,
    prefilter: Prefilter = None,
    set_: ScoreSet = None,
    as_json: Json = False,
) -> None:
    """Score every row and select nothing: scores.parquet, rejected.jsonl, manifest.json."""
    from handpicked.data import read
    from handpicked.options import mapping_of, score_settings
    from handpicked.pick.scoring import score as score_rows

    settings = score_settings(set_ or [], model=model, target=target, sample=sample, prefilter=prefilter)
    rows = read(pool, format=pool_format, map=mapping_of("--map", map_), turns=turns)
    with bars() as progress:
        counts = score_rows(
            rows, scorer, out, progress, tokenizer=tokenizer, runner=runner, address=address,
            command=["handpicked", *sys.argv[1:]], settings=settings, say=say,
        )  # fmt: skip
    if as_json:
        print(json.dumps({"out": str(out), "format": rows.format, **counts}))
        return
    say(f"{rows.format}: {rows.why}")
    print(f"{out}: {counts['scored']:,} of {counts['pool']:,} rows scored, {counts['rejected']:,} rejected")
