"""``handpicked select``: writes a subset of a pool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import options
from handpicked.cli.workplace import workplace
from handpicked.errors import ConfigError
from handpicked.records import Runner

Guards = Annotated[list[str] | None, typer.Option(help="A filter that drops rows first; may be given again.")]
Disjoint = Annotated[
    bool, typer.Option("--disjoint", help="For length-matched: take none of that subset's rows.")
]
RankedBy = Annotated[
    str | None, typer.Option(help="For top, bottom, balanced, deita, qdit, car: the column or scorer.")
]
Neighbours = Annotated[
    int | None, typer.Option(help="For facility-location, qdit: compare only this many nearest rows.")
]
Prompts = Annotated[list[str] | None, typer.Option(help="For decontaminate: prompt files.")]
Place = Annotated[Runner, typer.Option(help="Where to run: here, or on a Ray cluster.")]
MaxLength = Annotated[
    int | None, typer.Option(help="Count the rows that a trainer cuts at this many tokens.")
]
ChatTemplate = Annotated[
    str | None, typer.Option(help="With --max-length: the chat template of the trainer.")
]
Memory = Annotated[
    str | None,
    typer.Option(help="Memory that a selector by embeddings may use, e.g. 16GB; else half of the machine's."),
]
Compare = Annotated[bool, typer.Option("--compare-measures", help="Print how well measures agree.")]
Exports = Annotated[
    list[str] | None,
    typer.Option(
        help="Also write rows and config for a trainer: llama-factory, axolotl, ms-swift, trl, unsloth, "
        "open-instruct; may be given again."
    ),
]
Train = Annotated[
    list[str] | None, typer.Option(help="For --export: a training setting, NAME=VALUE; may be given again.")
]
HubName = Annotated[str | None, typer.Option(help="Also upload the folder to this data set on the hub.")]


def select(
    pool: options.PoolFiles,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the subset.")] = None,
    by: Annotated[str, typer.Option(help="How to select; 'handpicked methods' lists them.")] = "longest",
    size: Annotated[int | None, typer.Option(help="Rows to keep.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Share of the rows to keep, 0 to 1.")] = None,
    measure: Annotated[str, typer.Option(help="tokens, words, nltk or chars.")] = "tokens",
    tokenizer: options.TokenizerName = None,
    part: options.ResponsePart = "response",
    turns: options.ResponseTurns = "last",
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0,
    guard: Guards = None,
    of: Annotated[Path | None, typer.Option(help="For length-matched: the subset to match.")] = None,
    disjoint: Disjoint = False,
    field: RankedBy = None,
    low: Annotated[float | None, typer.Option(help="For window: lower quantile.")] = None,
    high: Annotated[float | None, typer.Option(help="For window: upper quantile.")] = None,
    clusters: Annotated[int | None, typer.Option(help="For kmeans, car, semdedup: how many.")] = None,
    take: Annotated[str | None, typer.Option(help="For kmeans: nearest, random or longest.")] = None,
    threshold: Annotated[float | None, typer.Option(help="For deita, semdedup: highest cosine.")] = None,
    alpha: Annotated[float | None, typer.Option(help="For qdit: weight of quality, 0 to 1.")] = None,
    neighbours: Neighbours = None,
    prompts: Prompts = None,
    split: options.SplitName = None,
    config: options.ConfigName = None,
    encoding: options.Encoding = None,
    pool_format: options.PoolFormat = None,
    map_: options.FieldMap = None,
    max_row_mb: options.MaxRow = 256,
    format: Annotated[str, typer.Option(help="original, alpaca, sharegpt, messages or trl.")] = "original",
    container: Annotated[str | None, typer.Option(help="jsonl, parquet or datasets.")] = None,
    export: Exports = None,
    train: Train = None,
    runner: Place = "native",
    address: options.RayAddress = None,
    devices: options.Devices = "all",
    memory: Memory = None,
    max_length: MaxLength = None,
    template: ChatTemplate = None,
    compare_measures: Compare = False,
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
    push_to_hub: HubName = None,
    as_json: options.Json = False,
) -> None:
    """Keep the rows worth fine-tuning on: selected.jsonl, scores.parquet, rejected.jsonl, report.html."""
    from handpicked.cli import exporting, subset
    from handpicked.data import read
    from handpicked.settings import mapping_of

    short = {
        "of": None if of is None else str(of), "disjoint": disjoint or None, "field": field, "low": low, "high": high,
        "clusters": clusters, "take": take, "threshold": threshold, "alpha": alpha, "neighbours": neighbours,
    }  # fmt: skip
    settings = subset.settings(
        {
            "by": by, "size": size, "fraction": fraction, "measure": measure, "part": part, "tokenizer": tokenizer,
            "seed": seed, "memory": memory, "guards": guard or [], "prompts": prompts or [],
        },
        {name: value for name, value in short.items() if value is not None},
        {
            "model": model, "target": target, "sample": sample, "prefilter": prefilter, "base_url": base_url,
            "key_env": key_env, "concurrency": concurrency, "max_cost": max_cost, "price_in": price_in,
            "price_out": price_out,
        },
        set_ or [],
    )  # fmt: skip
    if out is None and not (compare_measures and size is not None):
        raise ConfigError(
            "-o is missing: the folder for the subset. (--compare-measures with --size needs none.)"
        )
    exports = exporting.exports_of(export or [], train or [], max_length)
    workers = workplace(runner, address, devices)
    rows = read(
        pool, format=pool_format, map=mapping_of("--map", map_), turns=turns, max_row_mb=max_row_mb,
        split=split, config=config, encoding=encoding,
    )  # fmt: skip
    if out is None:
        subset.compare(rows, size or 0, tokenizer, as_json=as_json)
        return
    cut = subset.truncation(max_length, template, tokenizer)
    found = subset.write(
        rows, settings, out, turns, subset.Form(format, container, cut, exports), workers,
        keep_versions=keep_versions, measures=compare_measures,
    )  # fmt: skip
    if push_to_hub is not None:
        subset.upload(out, push_to_hub)
    found.tell(as_json=as_json)
