"""``handpicked score``: computes scores and selects nothing."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import dry_runs, options
from handpicked.cli.bars import bars
from handpicked.cli.terminal import next_step, say
from handpicked.cli.workplace import workplace
from handpicked.errors import ConfigError
from handpicked.records import Runner


def score(
    pool: options.PoolFiles,
    scorer: Annotated[list[str], typer.Option(help="A scorer; may be given again.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the scores.", show_default=False)
    ] = None,
    tokenizer: options.TokenizerName = None,
    part: options.ResponsePart = "response",
    turns: options.ResponseTurns = "last",
    split: options.SplitName = None,
    config: options.ConfigName = None,
    encoding: options.Encoding = None,
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
    base_url: options.BaseUrl = None,
    key_env: options.ScoreKey = None,
    concurrency: options.Concurrency = None,
    max_cost: options.MaxCost = None,
    price_in: options.PriceIn = None,
    price_out: options.PriceOut = None,
    set_: options.ScoreSet = None,
    keep_versions: options.KeepVersions = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Score every row and select nothing: scores.parquet, rejected.jsonl, report.html, manifest.json."""
    from handpicked.data import read
    from handpicked.records import Dropped
    from handpicked.scorers.text.of_part import SAID
    from handpicked.selection.described import unread_of
    from handpicked.selection.estimated import score_estimates
    from handpicked.selection.execution import Execution
    from handpicked.selection.reasons import rejection_lines, unread_lines
    from handpicked.selection.scoring import PAGE, refuse_no_values, score_into, value_lines
    from handpicked.settings import assigned, mapping_of, score_settings

    method, scorers = assigned(set_ or [])
    settings = score_settings(
        {**method, **scorers},
        model=model,
        target=target,
        sample=sample,
        prefilter=prefilter,
        base_url=base_url,
        key_env=key_env,
        concurrency=concurrency,
        max_cost=max_cost,
        price_in=price_in,
        price_out=price_out,
    )
    rows = read(
        pool, format=pool_format, map=mapping_of("--map", map_), turns=turns, max_row_mb=max_row_mb,
        split=split, config=config, encoding=encoding,
    )  # fmt: skip
    if dry_run:
        takes = score_estimates(rows, scorer, settings, tokenizer)
        dry_runs.show({"pool": rows.rows, "scorers": takes}, [f"{n}: {t}" for n, t in takes.items()], as_json)
        return
    if out is None:
        raise ConfigError("-o is missing: the folder for the scores.")
    workers = workplace(runner, address, devices)
    with bars() as progress:
        execution = Execution(workers, keep_versions=keep_versions, say=say, progress=progress)
        counts = score_into(
            rows, scorer, out, tokenizer=tokenizer, part=part, settings=settings, execution=execution,
            command=["handpicked", *sys.argv[1:]],
        )  # fmt: skip
    if as_json:
        print(json.dumps({"out": str(out), "report": str(out / PAGE), "format": rows.format, **counts}))
    else:
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
    refuse_no_values(counts, scorer)
    if not as_json:
        same = {"--tokenizer": tokenizer, "--model": model, "--target": target}
        next_step(_next(pool, scorer, out, [f"{name}={value}" for name, value in same.items() if value]))


def _next(pool: list[str], scorers: list[str], out: Path, same: list[str]) -> str:
    """What to do with the scores: select by the first that has a better end, with the ``same`` options."""
    from handpicked.catalogue import SCORERS

    ranked = [name for name in scorers if SCORERS.find(name, "scorer").better != "none"]
    if not ranked:
        return f"look at the rows and their scores: handpicked explore {shlex.quote(str(out))}"
    words = ["handpicked", "select", *pool, "--by", ranked[0], *same]
    return f"keep the best rows: {shlex.join(words)} --size 1000 -o FOLDER"
