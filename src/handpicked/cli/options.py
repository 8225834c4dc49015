"""Options that several commands share, each with its help text, alone or in a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked.records import Runner, Turns
from handpicked.records.response_parts import Part

if TYPE_CHECKING:
    from handpicked.records import Pool
    from handpicked.workers import Workers

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, estimate what it will take, start nothing.")
]

BaseUrl = Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint; else OpenAI's.")]
KeyVariable = Annotated[str, typer.Option(help="Environment variable that holds the key.")]
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
TokenizerName = Annotated[str | None, typer.Option(help="Name, folder, tokenizer.json or .model.")]
ResponsePart = Annotated[
    Part,
    typer.Option(help="Part of the response to measure: all of it, its thought or its answer."),
]
Devices = Annotated[
    str, typer.Option(help="Where models run: all, GPUs by number (0,1), or cpu:2 for two workers.")
]
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


@dataclass(frozen=True)
class ReadingOptions:
    """How the files of a pool are read."""

    turns: Annotated[Turns, typer.Option(help="Which assistant turns are the response.")] = "last"
    split: SplitName = None
    config: ConfigName = None
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of text files that are neither UTF-8 nor UTF-16.")
    ] = None
    pool_format: Annotated[str | None, typer.Option(help="Row format; else recognised.")] = None
    map_: Annotated[
        str | None, typer.Option("--map", help="Fields, e.g. prompt=question,response=answer.")
    ] = None
    max_row_mb: Annotated[
        int, typer.Option(min=1, help="Reject rows of text files larger than this many MiB.")
    ] = 256

    @property
    def fields(self) -> dict[str, str] | None:
        """``--map`` as a mapping. Raises ConfigError."""
        from handpicked.settings import mapping_of

        return mapping_of("--map", self.map_)

    def read(self, pool: Sequence[str]) -> Pool:
        """The pool. Raises ConfigError and PoolError."""
        from handpicked.data import read

        return read(
            pool, format=self.pool_format, map=self.fields, turns=self.turns, max_row_mb=self.max_row_mb,
            split=self.split, config=self.config, encoding=self.encoding,
        )  # fmt: skip


@dataclass(frozen=True)
class PlaceOptions:
    """Where the work is done."""

    runner: Annotated[Runner, typer.Option(help="Where to run: here, or on a Ray cluster.")] = "native"
    address: Annotated[str | None, typer.Option(help="Address of the Ray cluster.")] = None
    devices: Devices = "all"

    def workers(self) -> Workers:
        """The workers; with Ray this process is connected.

        Raises ConfigError and MissingPart: a cluster that does not answer, a device that is not there.
        """
        from handpicked.data.engine import choose
        from handpicked.workers import Workers
        from handpicked.workers.devices import parse_devices

        if self.runner == "ray":
            choose(self.runner, self.address)
        elif self.devices != "all":
            parse_devices(self.devices)
        return Workers(self.runner, self.address, self.devices)


@dataclass(frozen=True)
class ScorerOptions:
    """Settings of scorers that need a model, an endpoint or a target set; see ``config.ScoreSettings``."""

    model: Annotated[str | None, typer.Option(help="The scorer's model: bundled:NAME, folder, hub name.")] = (
        None
    )
    target: Annotated[
        str | None, typer.Option(help="For scorers that need a target set: a file of examples.")
    ] = None
    sample: Annotated[int | None, typer.Option(help="Have a model score only this many random rows.")] = None
    prefilter: Annotated[
        str | None, typer.Option(help="Have a model score only these rows, e.g. longest:5000.")
    ] = None
    base_url: BaseUrl = None
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the key; else OPENAI_API_KEY.")
    ] = None
    concurrency: Concurrency = None
    max_cost: MaxCost = None
    price_in: PriceIn = None
    price_out: PriceOut = None
