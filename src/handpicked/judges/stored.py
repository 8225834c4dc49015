"""Verdicts in a file: one JSON line each, with the raw replies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import get_args

from handpicked.errors import PoolError
from handpicked.judges.rows import number
from handpicked.records import Json, Outcome, Preference, Review, Verdict, to_json
from handpicked.secrets import masked
from handpicked.store import private_file, private_folder, utf8


def write_verdicts(file: Path, verdicts: Iterable[Verdict]) -> None:
    """All of them or nothing: the file is complete when it is there. Only its owner may read it."""
    private_folder(file.parent)
    aside = file.with_name(f"{file.name}.{os.getpid()}.part")
    aside.unlink(missing_ok=True)
    private_file(aside)
    with aside.open("w", encoding="utf-8") as out:
        out.writelines(masked(utf8(f"{to_json(verdict)}\n")) for verdict in verdicts)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(file)


def holds_verdicts(file: Path) -> bool:
    """Whether the first line of a file is a verdict that handpicked wrote."""
    try:
        with file.open(encoding="utf-8", errors="surrogatepass") as lines:
            verdict_of(json.loads(next(lines, "")))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False
    return True


def read_verdicts(file: Path) -> list[Verdict]:
    """The verdicts of a file that handpicked wrote. Raises PoolError naming the line that is none."""
    with file.open(encoding="utf-8", errors="surrogatepass") as lines:
        verdicts = []
        for number, line in enumerate(lines, 1):
            try:
                verdicts.append(verdict_of(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise PoolError(f"{file}, line {number} is not a verdict of handpicked ({error}).") from error
        return verdicts


TEXTS = ("prompt_id", "a", "b", "judge", "test_set")
CHOICES: dict[str, tuple[object, ...]] = {
    "strict": get_args(Outcome),
    "summed": get_args(Outcome),
    "order": ("ab", "ba", "unknown"),
    "preferred": (*get_args(Preference), None),
}


def verdict_of(fields: Json) -> Verdict:
    """A verdict from its JSON fields. Raises KeyError, TypeError or ValueError for what is none."""
    for name in TEXTS:
        if not isinstance(fields.get(name, ""), str):
            raise ValueError(f"'{name}' is not text")
    _check_choices(fields)
    reviews = fields["reviews"]
    if not isinstance(reviews, list) or not all(isinstance(review, Mapping) for review in reviews):
        raise ValueError("'reviews' is not a list of objects")
    lengths = {name: int(fields.get(name) or 0) for name in ("length_a", "length_b")}
    return Verdict(**{**fields, **lengths, "reviews": tuple(_review(review) for review in reviews)})


def _review(fields: Json) -> Review:
    """A review; times and prices that are not numbers (NaN) are missing."""
    _check_choices(fields)
    scores = fields.get("scores")
    if scores is not None:
        first, second = (number(score) for score in scores)
        scores = None if first is None or second is None else (first, second)
    known = {name: number(fields.get(name)) for name in ("seconds", "cost")}
    return Review(**{**fields, **known, "raw": str(fields["raw"]), "scores": scores})


def _check_choices(fields: Mapping[str, object]) -> None:
    for name, known in CHOICES.items():
        if name in fields and fields[name] not in known:
            raise ValueError(f"'{name}' is {fields[name]!r}, which is none of {', '.join(map(str, known))}")
