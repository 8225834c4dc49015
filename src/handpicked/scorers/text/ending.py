"""Whether a response stops in the middle of a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer

TAIL = 2000
"""Characters of the end that are looked at."""
LINES = 8
_LIST_ITEM = re.compile(r"\s*([-*+\u2022#|>]|\(?\w{1,3}[.):])")
_OPEN_ENDS = ",;-\u2013\u2014(["


def cut_off(text: str) -> bool:
    """Whether ``text`` ends in a letter, a comma or an opening bracket where prose would go on.

    Verse, lists, tables and code end their lines without punctuation too: the last line does not count as
    prose when it begins like a list item, is indented, or follows a line that ends the same way. A heuristic,
    for English and for scripts with letter case or none; it says nothing about content.
    """
    lines = [line for line in text[-TAIL:].rstrip().rsplit("\n", LINES) if line.strip()]
    if not lines or not _open(lines[-1]):
        return False
    last = lines[-1]
    if len(last.split()) < 4 or last[0].isspace() or _LIST_ITEM.match(last):
        return False
    return len(lines) < 2 or not _open(lines[-2])


def _open(line: str) -> bool:
    end = line.rstrip()[-1]
    return end.isalpha() or end in _OPEN_ENDS


@dataclass(frozen=True)
class CutOff(Scorer):
    """1 where the response ends in mid-sentence by the rule of ``cut_off``, else 0."""

    name: ClassVar[str] = "cut_off"
    about: ClassVar[str] = "the rows whose responses end like a sentence"
    unit: ClassVar[str] = "1 or 0"
    better: ClassVar[Better] = "low"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("pyarrow",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return pa.array(
            [None if text is None else int(cut_off(text)) for text in batch["response"].to_pylist()],
            pa.int64(),
        )
