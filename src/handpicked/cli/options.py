"""Options that several commands share, each with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handpicked.records import Turns
from handpicked.records.response_parts import Part

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, estimate what it will take, start nothing.")
]

BaseUrl = Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint; else OpenAI's.")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable that holds the key.")]
ScoreKey = Annotated[
    str | None, typer.Option(help="Environment variable that holds the key; else OPENAI_API_KEY.")
]
Concurrency = Annotated[int | None, typer.Option(min=1, help="The most requests at a time.")]
MaxCost = Annotated[float | None, typer.Option(help="US dollars that may be spent; needs both prices.")]
PriceIn = Annotated[float | None, typer.Option(help="US dollars per million prompt tokens.")]
PriceOut = Annotated[float | None, typer.Option(help="US dollars per million reply tokens.")]

PoolFiles = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders or globs of SFT rows; owner/name on the hub, s3:// or named:alpaca.",
        show_default=False,
    ),
]
SplitName = Annotated[
    str | None, typer.Option("--split", help="Split of a folder or a data set on the hub; else train.")
]
ConfigName = Annotated[
    str | None, typer.Option("--config", help="Config that the data set's README.md lists; else the default.")
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of text files that are neither UTF-8 nor UTF-16.")
]
PoolFormat = Annotated[str | None, typer.Option("--pool-format", help="Row format; else recognised.")]
FieldMap = Annotated[str | None, typer.Option("--map", help="Fields, e.g. prompt=question,response=answer.")]
MaxRow = Annotated[
    int, typer.Option("--max-row-mb", min=1, help="Reject rows of text files larger than this many MiB.")
]
ResponseTurns = Annotated[Turns, typer.Option(help="Which assistant turns are the response.")]
TokenizerName = Annotated[str | None, typer.Option(help="Name, folder, tokenizer.json or .model.")]
ResponsePart = Annotated[
    Part,
    typer.Option(help="Part of the response to measure: all of it, its thought or its answer."),
]
Devices = Annotated[
    str, typer.Option(help="Where models run: all, GPUs by number (0,1), or cpu:2 for two workers.")
]
RayAddress = Annotated[str | None, typer.Option(help="Address of the Ray cluster.")]

ScoreModel = Annotated[str | None, typer.Option(help="The scorer's model: bundled:NAME, folder, hub name.")]
Target = Annotated[str | None, typer.Option(help="For scorers that need a target set: a file of examples.")]
Sample = Annotated[int | None, typer.Option(help="Have a model score only this many random rows.")]
Prefilter = Annotated[str | None, typer.Option(help="Have a model score only these rows, e.g. longest:5000.")]
ScoreSet = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the method, or score.NAME of a scorer; may be given again.",
    ),
]

ExperimentFile = Annotated[
    Path,
    typer.Argument(help="An experiment file (YAML), or the name of a shipped one.", show_default=False),
]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="Only this arm; may be given again.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. train.epochs=1."),
]
Launch = Annotated[
    str | None,
    typer.Option(help="auto, one, ddp, fsdp, or an Accelerate config file; else train.launch."),
]
KeepVersions = Annotated[
    bool,
    typer.Option(
        "--keep-versions", help="Keep finished work that other versions of libraries or methods made."
    ),
]
