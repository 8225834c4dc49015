"""Verdicts in a file: one JSON line each, raw replies included; written aside and renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from handpicked.errors import PoolError
from handpicked.records import Review, Verdict, to_json


def write_verdicts(file: Path, verdicts: Iterable[Verdict]) -> None:
    """All of them or nothing: the file is complete when it is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.{os.getpid()}.part")
    with aside.open("w", encoding="utf-8", errors="surrogatepass") as out:
        out.writelines(f"{to_json(verdict)}\n" for verdict in verdicts)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(file)


def read_verdicts(file: Path) -> list[Verdict]:
    """The verdicts of a file of ours. Raises PoolError naming the line that is none."""
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        verdicts = []
        for number, line in enumerate(lines, 1):
            try:
                verdicts.append(verdict_of(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise PoolError(f"{file}, line {number} is no verdict of handpicked ({error}).") from error
        return verdicts


def verdict_of(fields: Mapping[str, Any]) -> Verdict:
    """A verdict from its JSON fields."""
    return Verdict(**{**fields, "reviews": tuple(_review(review) for review in fields["reviews"])})


def _review(fields: Mapping[str, Any]) -> Review:
    scores = fields.get("scores")
    return Review(**{**fields, "scores": None if scores is None else tuple(scores)})
