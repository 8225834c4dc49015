"""The environment of the process: the encoding of names, its streams, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from handpicked.errors import HandpickedError, StoreError

ENDING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
"""Signals that end the work in order: what is finished is kept, what is half done is
cleared or can be resumed.
"""

_received: list[int] = []


def catch_signals() -> None:
    """Let every signal of ``ENDING`` raise KeyboardInterrupt. One that the parent has ignored
    (``nohup``) stays ignored.
    """
    for number in ENDING:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def stopped_code() -> int:
    """The exit code of a process that was stopped: 128 and the signal's number, as a
    shell has it; 130 for Ctrl-C.
    """
    return 128 + (_received[-1] if _received else signal.SIGINT)


def _stop(number: int, _: object) -> None:
    """Generators of the data engine that are torn down by it may complain on stderr:
    nobody needs to read that.
    """
    _received.append(number)
    sys.unraisablehook = lambda _: None
    raise KeyboardInterrupt


def check() -> None:
    """Make names and streams usable. Raises StoreError where results could not be
    written or a name not be read.
    """
    _speak_utf8()
    _open_streams()
    _check_names()


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale has another encoding: other
    libraries take names as UTF-8.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"  # also for processes that are started from here
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _open_streams() -> None:
    """The number of a closed stream would be given to the next file, and what a library
    prints would land in that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open as long as the process)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        raise StoreError(
            "standard output is closed, but results are printed there. To discard them: > /dev/null"
        )
    if sys.stdout.errors == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # PYTHONIOENCODING=ascii is not a reason to fail


def _check_names() -> None:
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        raise StoreError("The current folder does not exist any more. Go to another one (cd).") from None
    for word in (*sys.argv[1:], here):
        try:
            word.encode("utf-8")
        except UnicodeEncodeError:
            raise StoreError(
                f"The name {word.encode('utf-8', 'surrogateescape')!r} is not UTF-8, so "
                "that files which mention it could "
                "not be read. Rename it."
            ) from None


def refused(error: OSError) -> str | None:
    """One line on what the system refused: standard output, or a file by its name.
    ``None`` where neither is known.
    """
    said = error.strerror or str(error)
    if error.filename is None and _was_printing(error):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would complain again at its end
        return f"standard output could not take everything ({said}). What was written to files is complete."
    if error.errno is None or error.filename is None:
        return None
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    return f"{_short(name)} cannot be used: {said}. Give another name, or make it usable."


def _was_printing(error: OSError) -> bool:
    """Whether it was raised by a ``print`` of a command, which writes through the stream that hides secrets, or
    by the help that rich prints: results are printed there, and nowhere else.
    """
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    module = "" if step is None else str(step.tb_frame.f_globals.get("__name__"))
    return module.startswith(("handpicked.cli.", "handpicked.secrets", "typer.", "click.", "rich.console"))


def _short(name: str, limit: int = 120) -> str:
    return (
        name if len(name) <= limit else f"{name[: limit // 2]}...{name[-limit // 3 :]} ({len(name)} letters)"
    )


def homeless(error: RuntimeError) -> HandpickedError | None:
    """What to say where ``~`` means nothing: no HOME, and a user whom the system does not know."""
    if "home directory" not in str(error):
        return None
    return StoreError(
        "There is no home folder for the cache or for ~. Set HOME, or HANDPICKED_CACHE and whole paths."
    )
