"""The command line: parse, call, show progress. No logic.

Exit codes: 0 done; 2 the user's mistake (one line a mistake on stderr, no traceback); 130 stopped by Ctrl-C; 1 a bug of ours.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handpicked._version import __version__
from handpicked.errors import HandpickedError

if TYPE_CHECKING:
    from handpicked.progress import Progress

app = typer.Typer(
    name="handpicked",
    help="Pick the few demonstrations worth fine-tuning on, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable summary on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a field, e.g. train.epochs=1."),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the results.")]
ExperimentFile = Annotated[Path, typer.Argument(help="The experiment file (YAML).", show_default=False)]


def main() -> None:
    """The entry point: the one boundary where errors become exit codes."""
    try:
        _quiet_libraries()
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HandpickedError as error:
        _complain(str(error))
        code = 2
    except typer.TyperException as error:
        _complain(error.format_message() + _option_hint(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        _complain("stopped. What was finished is kept; the same command goes on from there.")
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code or 0)


def _complain(message: str) -> None:
    for line in message.splitlines():
        print(f"handpicked: {line}", file=sys.stderr)


def _option_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f" See '{context.command_path} --help'." if context is not None else ""


def _quiet_libraries() -> None:
    """Libraries may not draw bars of their own, phone home or warn about forks on the user's terminal."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def _say(message: str) -> None:
    print(message, file=sys.stderr)


@contextmanager
def _bars() -> Iterator[Progress]:
    """Progress bars with the remaining time on stderr; silence when that is no terminal."""
    from handpicked.progress import SILENT

    if not sys.stderr.isatty():
        yield SILENT
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:

        @contextmanager
        def bar(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
            task = bars.add_task(label, total=total)
            try:
                yield lambda done: bars.advance(task, done)
            finally:
                bars.remove_task(task)

        yield bar


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"handpicked {__version__}")
        raise typer.Exit
