"""An append-only file of JSON lines that survives a kill, so that work can resume."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from handpicked.errors import StoreError
from handpicked.records import Json, to_json
from handpicked.store import utf8, writing


def recover(path: Path) -> list[Json]:
    """The records of ``path``, after cutting off a last line that was torn by a kill. No file: no records.

    Raises StoreError for a damaged line elsewhere: that is not an interruption, and guessing would lose
    results.
    """
    if not path.exists():
        return []
    records: list[Json] = []
    good = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                records.append(json.loads(line))
            except ValueError as error:
                raise StoreError(
                    f"{path}, line {number} is damaged: {error}. Remove the file to do its work again."
                ) from None
            good += len(line)
    if good < path.stat().st_size:
        os.truncate(path, good)
    return records


def append(path: Path, records: Sequence[object]) -> None:
    """Append dataclass records, one JSON line each, and return only when they are on the disk.

    Lone surrogates, which UTF-8 cannot write, become U+FFFD.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(utf8(to_json(record)) + "\n" for record in records)
            file.flush()
            os.fsync(file.fileno())
