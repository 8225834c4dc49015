"""Every command, in the order in which ``handpicked --help`` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from handpicked._version import __version__
from handpicked.cli.auditing import audit
from handpicked.cli.benchmarks import bench
from handpicked.cli.command import Command
from handpicked.cli.experiments import generate, run, train
from handpicked.cli.exploring import explore
from handpicked.cli.fetching import fetch
from handpicked.cli.grouped import grouped
from handpicked.cli.judges import judge
from handpicked.cli.overview import doctor, methods
from handpicked.cli.results import inspect, report
from handpicked.cli.scoring import score
from handpicked.cli.selecting import select
from handpicked.cli.templates import init
from handpicked.cli.terminal import Volume, set_volume

app = typer.Typer(
    name="handpicked",
    help="Pick the few demonstrations worth fine-tuning on, and prove it.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    quiet: Annotated[
        bool,
        typer.Option("-q", "--quiet", help="Print only results and errors: no progress, no notes."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Also print the log of the stages, as in run.log.")
    ] = False,
) -> None:
    if quiet or verbose:
        set_volume(Volume.QUIET if quiet else Volume.VERBOSE)
    if version:
        print(f"handpicked {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help(), end="")


COMMANDS = (
    init, select, score, audit, run, train, generate, bench, judge, report, inspect, explore, fetch, methods,
    doctor,
)  # fmt: skip
for command in COMMANDS:
    app.command(cls=Command)(grouped(command))
