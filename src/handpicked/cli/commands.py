"""Every command, in the order in which ``handpicked --help`` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from handpicked._version import __version__
from handpicked.cli.auditing import audit
from handpicked.cli.benchmarks import bench
from handpicked.cli.experiments import generate, run, train
from handpicked.cli.exploring import explore
from handpicked.cli.fetching import fetch
from handpicked.cli.judges import judge
from handpicked.cli.overview import doctor, methods
from handpicked.cli.results import inspect, report
from handpicked.cli.scoring import score
from handpicked.cli.selecting import select

app = typer.Typer(
    name="handpicked",
    help="Pick the few demonstrations worth fine-tuning on, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"handpicked {__version__}")
        raise typer.Exit


COMMANDS = (
    select, score, audit, run, train, generate, bench, judge, report, inspect, explore, fetch, methods, doctor,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)
