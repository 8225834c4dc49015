"""``handpicked select``: writes a subset of a pool."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from handpicked.cli import options
from handpicked.errors import ConfigError


@dataclass(frozen=True)
class ChoiceOptions:
    """Which rows to keep: settings of any method; see ``config.SelectSettings``."""

    by: Annotated[str, typer.Option(help="How to select; 'handpicked methods' lists them.")] = "longest"
    size: Annotated[int | None, typer.Option(help="Rows to keep.")] = None
    fraction: Annotated[float | None, typer.Option(help="Share of the rows to keep, 0 to 1.")] = None
    measure: Annotated[str, typer.Option(help="tokens, words, nltk or chars.")] = "tokens"
    tokenizer: options.TokenizerName = None
    part: options.ResponsePart = "response"
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0
    guard: Annotated[
        list[str] | None, typer.Option(help="A filter that drops rows first; may be given again.")
    ] = None
    prompts: Annotated[list[str] | None, typer.Option(help="For decontaminate: prompt files.")] = None

    @property
    def given(self) -> dict[str, object]:
        """By the names of the settings."""
        named = asdict(self)
        guards = named.pop("guard") or []
        return {**named, "guards": guards, "prompts": self.prompts or []}


@dataclass(frozen=True)
class MethodOptions:
    """Settings of some methods."""

    of: Annotated[Path | None, typer.Option(help="For length-matched: the subset to match.")] = None
    disjoint: Annotated[
        bool, typer.Option("--disjoint", help="For length-matched: take none of that subset's rows.")
    ] = False
    field: Annotated[
        str | None, typer.Option(help="For top, bottom, balanced, deita, qdit, car: the column or scorer.")
    ] = None
    low: Annotated[float | None, typer.Option(help="For window: lower quantile.")] = None
    high: Annotated[float | None, typer.Option(help="For window: upper quantile.")] = None
    clusters: Annotated[int | None, typer.Option(help="For kmeans, car, semdedup: how many.")] = None
    take: Annotated[str | None, typer.Option(help="For kmeans: nearest, random or longest.")] = None
    threshold: Annotated[float | None, typer.Option(help="For deita, semdedup: highest cosine.")] = None
    alpha: Annotated[float | None, typer.Option(help="For qdit: weight of quality, 0 to 1.")] = None
    neighbours: Annotated[
        int | None, typer.Option(help="For facility-location, qdit: compare only this many nearest rows.")
    ] = None

    @property
    def given(self) -> dict[str, object]:
        """Those that were given."""
        named = {**asdict(self), "of": None if self.of is None else str(self.of)}
        return {name: value for name, value in named.items() if value is not None and value is not False}


@dataclass(frozen=True)
class OutputOptions:
    """How the subset is written."""

    format: Annotated[str, typer.Option(help="original, alpaca, sharegpt, messages or trl.")] = "original"
    container: Annotated[str | None, typer.Option(help="jsonl, parquet or datasets.")] = None
    export: Annotated[
        list[str] | None,
        typer.Option(
            help="Also write rows and config for a trainer: llama-factory, axolotl, ms-swift, trl, unsloth, "
            "open-instruct; may be given again."
        ),
    ] = None
    train: Annotated[
        list[str] | None,
        typer.Option(help="For --export: a training setting, NAME=VALUE; may be given again."),
    ] = None
    max_length: Annotated[
        int | None, typer.Option(help="Count the rows that a trainer cuts at this many tokens.")
    ] = None
    template: Annotated[
        str | None, typer.Option(help="With --max-length: the chat template of the trainer.")
    ] = None


def select(
    pool: options.PoolFiles,
    *,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the subset.")] = None,
    choice: ChoiceOptions,
    reading: options.ReadingOptions,
    method: MethodOptions,
    output: OutputOptions,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory that a selector by embeddings may use, e.g. 16GB; else half of the machine's."
        ),
    ] = None,
    place: options.PlaceOptions,
    scorer: options.ScorerOptions,
    compare_measures: Annotated[
        bool, typer.Option("--compare-measures", help="Print how well measures agree.")
    ] = False,
    set_: options.ScoreSet = None,
    keep_versions: options.KeepVersions = False,
    push_to_hub: Annotated[
        str | None, typer.Option(help="Also upload the folder to this data set on the hub.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Keep the rows worth fine-tuning on: selected.jsonl, scores.parquet, rejected.jsonl, report.html."""
    from handpicked.cli import exporting, subset

    settings = subset.settings({**choice.given, "memory": memory}, method.given, asdict(scorer), set_ or [])
    if out is None and not (compare_measures and choice.size is not None):
        raise ConfigError(
            "-o is missing: the folder for the subset. (--compare-measures with --size needs none.)"
        )
    exports = exporting.exports_of(output.export or [], output.train or [], output.max_length)
    workers = place.workers()
    rows = reading.read(pool)
    if out is None:
        subset.compare(rows, choice.size or 0, choice.tokenizer, as_json=as_json)
        return
    cut = subset.truncation(output.max_length, output.template, choice.tokenizer)
    form = subset.Form(output.format, output.container, cut, exports)
    found = subset.write(
        rows, settings, out, reading.turns, form, workers,
        keep_versions=keep_versions, measures=compare_measures,
    )  # fmt: skip
    if push_to_hub is not None:
        subset.upload(out, push_to_hub)
    found.show(as_json=as_json)
