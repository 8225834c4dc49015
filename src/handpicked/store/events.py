"""A file of events that several people write at once: one JSON line each, on the disk before it is
confirmed, and never rewritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from handpicked.store import private_file, private_folder, writing


def append_event(path: Path, event: Mapping[str, object]) -> None:
    """Write one line and wait until it is on the disk. Raises StoreError when the disk refuses it.

    Processes and threads may call it at once. What a killed one left of a line is cut off.
    """
    # Lone surrogates, which UTF-8 cannot write, are written as JSON's escapes.
    line = (json.dumps(event, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
    with writing(path):
        if not path.parent.is_dir():
            private_folder(path.parent)
        with FileLock(path.with_name(f".{path.name}.lock")):
            created = not path.exists()
            private_file(path)
            with path.open("a+b") as file:
                _drop_torn_line(file.fileno())
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if created:
                _sync_folder(path.parent)


def events(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of the file with their numbers. A last line without its end is what a killed
    process left: it was never confirmed, and is not an event.
    """
    if path.is_file():
        *lines, _torn = path.read_bytes().split(b"\n")
        yield from enumerate(lines, 1)


def _drop_torn_line(descriptor: int) -> None:
    """Cut what follows the last line end, so that the next line begins at the start of a line."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 4096)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def _sync_folder(folder: Path) -> None:
    """The file's name must survive a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
