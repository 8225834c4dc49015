"""Turns errors into one line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys

import typer

from handpicked.cli import process
from handpicked.cli.commands import app
from handpicked.cli.terminal import complain
from handpicked.errors import HandpickedError, NotYet
from handpicked.secrets import guard_process

INTERRUPTED = 130
NOT_YET = 75


def main() -> None:
    """The entry point: the one boundary where errors become exit codes."""
    guard_process()
    process.catch_signals()
    # Rows of a pool are many objects and no cycles: looking for these costs a tenth.
    gc.set_threshold(100_000, 20, 20)
    # Arrow's own allocator keeps what each of its threads has freed, a fifth of all memory, and is no faster
    # here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    code = _command()
    if code == INTERRUPTED:  # Typer makes this of Ctrl-C
        _end_at_once()
    gc.freeze()  # what is left goes with the process: looking through it again takes a third of a second
    sys.exit(code or 0)


def _command() -> int | None:
    """Run the command in the arguments and return its exit code; a mistake is one line on stderr."""
    try:
        process.check()
        _quiet_libraries()
        code: int | None = app(standalone_mode=False, prog_name="handpicked")
        sys.stdout.flush()
        return code
    except HandpickedError as error:
        complain(str(error))
        return NOT_YET if isinstance(error, NotYet) else 2
    except typer.TyperException as error:
        complain(_sentence(error.format_message()) + _option_hint(error))
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except MemoryError:
        complain("the memory that this process may use is full. Use a smaller pool or a larger machine.")
    except OSError as error:
        line = process.refused(error)
        if line is None:
            raise
        complain(line)
    except SystemExit as end:  # Typer makes this of a pipe whose reader has gone
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        complain(process.refused(end.__context__) or str(end.__context__))
    except RuntimeError as error:
        mistake = process.homeless(error)
        if mistake is None:
            raise
        complain(str(mistake))
    return 2


def _end_at_once() -> None:
    """Exit after Ctrl-C or another signal. Threads of the data engine may still run and would abort an
    orderly shutdown.
    """
    complain("stopped. Finished work is kept; the same command continues from there.")
    if "handpicked.data.spool" in sys.modules:
        sys.modules["handpicked.data.spool"].clear()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(process.stopped_code())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _option_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    if context is None:
        return ""
    option = getattr(error, "option_name", None)
    if context.parent is not None and option in {
        name for one in context.parent.command.params for name in one.opts
    }:
        program, _, command = context.command_path.partition(" ")
        return f" It goes before the command: {program} {option} {command} ..."
    return f" See '{context.command_path} --help'."


def _quiet_libraries() -> None:
    """Keep libraries from drawing bars, phoning home or warning about forks on the user's terminal."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault(
        "HF_HUB_VERBOSITY", "error"
    )  # its retries; what is wrong in the end is our own line
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    for library in ("aws_config", "daft_local_execution"):  # what they warn of is in the error that follows
        logging.getLogger(library).addHandler(logging.NullHandler())
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
