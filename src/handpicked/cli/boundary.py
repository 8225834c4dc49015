"""The one boundary where errors become exit codes."""

from __future__ import annotations

import gc
import os
import signal
import sys

import typer

from handpicked.cli.commands import app
from handpicked.cli.terminal import complain
from handpicked.errors import HandpickedError, NotYet
from handpicked.secrets import guard_process

INTERRUPTED = 130
NOT_YET = 75


def main() -> None:
    """The entry point: the one boundary where errors become exit codes."""
    guard_process()
    signal.signal(signal.SIGINT, _interrupted)
    # Rows of a pool are many objects and no cycles: looking for these costs a tenth.
    gc.set_threshold(100_000, 20, 20)
    # Arrow's own allocator keeps what each of its threads has freed, a fifth of all memory, and is no faster here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        _quiet_libraries()
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except HandpickedError as error:
        complain(str(error))
        code = NOT_YET if isinstance(error, NotYet) else 2
    except typer.TyperException as error:
        complain(error.format_message() + _option_hint(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    if code == INTERRUPTED:  # Typer makes this of Ctrl-C
        complain("stopped. What was finished is kept; the same command goes on from there.")
        sys.stdout.flush()
        sys.stderr.flush()
        # Everything is cleaned up. Threads of the data engine may still run, and would abort a process that shuts down.
        os._exit(INTERRUPTED)
    gc.freeze()  # what is left goes with the process: looking through it once more takes a third of a second
    sys.exit(code or 0)


def _interrupted(*_: object) -> None:
    """Ctrl-C. Generators of the data engine that are torn down by it may complain on stderr: nobody needs to read that."""
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt


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
