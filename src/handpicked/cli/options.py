"""Options that several commands share, each with its help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handpicked.parts import Part
from handpicked.records import Turns

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results.")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable that holds the key.")]

PoolFiles = Annotated[
    list[str], typer.Argument(help="Files, folders or globs of SFT rows.", show_default=False)
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
    typer.Option(
        help="What of a response is measured and scored by text: all of it, its thought or its answer."
    ),
]
Devices = Annotated[
    str, typer.Option(help="For scores by models: all, GPUs by number (0,1), or cpu:2 for two workers.")
]
RayAddress = Annotated[str | None, typer.Option(help="Address of the Ray cluster.")]

ScoreModel = Annotated[str | None, typer.Option(help="The scorer's model: bundled:NAME, folder, hub name.")]
Target = Annotated[str | None, typer.Option(help="For scorers by similarity: a file of target examples.")]
Sample = Annotated[int | None, typer.Option(help="Score only this many random rows by a model.")]
Prefilter = Annotated[str | None, typer.Option(help="Score only these rows by a model, e.g. longest:5000.")]
MaxCost = Annotated[float | None, typer.Option(help="US dollars that a scorer may spend; needs both prices.")]
ScoreSet = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the method, or score.NAME of a scorer; may be given again.",
    ),
]

ExperimentFile = Annotated[Path, typer.Argument(help="The experiment file (YAML).", show_default=False)]
Arms = Annotated[list[str] | None, typer.Option("--arm", help="Only this arm; may be given again.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. train.epochs=1."),
]
KeepVersions = Annotated[
    bool,
    typer.Option(
        "--keep-versions", help="Keep finished work that other versions of libraries or methods made."
    ),
]
