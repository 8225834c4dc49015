"""Passes the error that ended a training process to the process that started it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from handpicked import errors
from handpicked.errors import HandpickedError, TrainingError
from handpicked.store import write_json

WATCHED = "HANDPICKED_ENDS_WITH_STDIN"
"""Variable of a process that is to end when its standard input does."""
TAIL = 64 * 1024
"""Bytes of a log that are searched for its last line."""
OUT_OF_MEMORY = ("OutOfMemoryError", "out of memory")


def write_words(folder: Path, kind: str, message: str) -> None:
    """Leave what this process died of: ``kind`` is the error's class where it is one of handpicked's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(_file(folder, int(os.environ.get("RANK", 0))), {"kind": kind, "message": message})


def clear_words(folder: Path) -> None:
    """Forget those of an earlier attempt."""
    for file in folder.glob("words-*.json"):
        file.unlink()


def why_it_died(folder: Path, arm: str, codes: list[int], logs: list[Path]) -> HandpickedError:
    """The error of a training of ``arm`` in ``folder`` whose processes ended with these exit codes (0: not by
    themselves), the log of each beside it.

    The first process that says what is the user's to fix is quoted; else one that was killed, because the
    others complain of its absence; else the first that failed.
    """
    said = [_words(folder, rank) for rank in range(len(codes))]
    for kind, message in said:
        if kind:
            error: HandpickedError = getattr(errors, kind, TrainingError)(message)
            return error
    died = [rank for rank, code in enumerate(codes) if code]
    rank = next((rank for rank in died if codes[rank] < 0), died[0])
    code, (_, message) = codes[rank], said[rank]
    which = f" (process {rank} of {len(codes)})" if len(codes) > 1 else ""
    words = message or _last_line(logs[rank])
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    quoted = f": {words}" if words and code >= 0 else f"; its last line: {words}" if words else ""
    return TrainingError(
        f"Training '{arm}' {how}{which}{quoted.rstrip('.')}. {_advice(words, code)}Its log is {logs[rank]}. "
        "The same command continues from its last checkpoint."
    )


def _advice(words: str, code: int) -> str:
    if any(mark in words for mark in OUT_OF_MEMORY):
        return (
            "Lower train.micro_batch_size, set train.gradient_checkpointing: true, or train.method: lora or "
            "qlora, or spread it over more devices (train.launch: fsdp). "
        )
    if code == -signal.SIGKILL:
        return "The system kills processes like this when memory runs out. "
    return ""


def _words(folder: Path, rank: int) -> tuple[str, str]:
    try:
        said = json.loads(_file(folder, rank).read_text(encoding="utf-8"))
        return str(said["kind"]), str(said["message"])
    except (OSError, ValueError, KeyError):
        return "", ""


def _file(folder: Path, rank: int) -> Path:
    return folder / f"words-{rank}.json"


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
