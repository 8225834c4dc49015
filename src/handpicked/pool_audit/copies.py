"""Rows that repeat others, and in which files both are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from handpicked.guards.drop import is_listed
from handpicked.guards.duplicates import exact_copies
from handpicked.guards.near_duplicates import near_copies
from handpicked.pool_audit.guards import SHOWN
from handpicked.pool_audit.places import Gallery, Places
from handpicked.pool_audit.record import Copies, FilePair, Twins
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.minhash import MinHash
from handpicked.scorers.text.prompt_hash import PromptHash
from handpicked.selection.scores import ScoredPool
from handpicked.selectors.selector import Scores

PAIRS = 100
"""Pairs of files that are named, at most."""
SCORERS = (MinHash(), LengthChars(), PromptHash())
"""What finding copies needs."""


@dataclass(frozen=True)
class Found:
    """Rows that repeat another, ascending, and the one that each repeats."""

    kind: Literal["exact", "near", "prompt"]
    rows: np.ndarray
    repeats: np.ndarray

    @property
    def first(self) -> list[int]:
        """The rows to show, and what each repeats."""
        return [*self.rows[:SHOWN].tolist(), *self.repeats[:SHOWN].tolist()]

    def found(self, places: Places, gallery: Gallery) -> Copies:
        """The copies in numbers, by files."""
        files, others = places.file_of(self.rows), places.file_of(self.repeats)
        pairs = Counter(zip(files.tolist(), others.tolist(), strict=True)).most_common(PAIRS)
        named = tuple(FilePair(places.names[one], places.names[other], rows) for (one, other), rows in pairs)
        twins = zip(self.rows[:SHOWN].tolist(), self.repeats[:SHOWN].tolist(), strict=True)
        shown = tuple(Twins(gallery.shown(row), gallery.shown(other)) for row, other in twins)
        return Copies(self.kind, len(self.rows), int((files != others).sum()), named, shown)


def find_copies(scored: ScoredPool) -> Sequence[Found]:
    """Exact copies, near copies that are not exact, and prompts that occur again with another response.

    Takes a byte of memory a row, and some 24 for each that repeats another; the rest waits beside the scores.
    """
    scores = Scores(scored.batches, scored.rows, scored.file.parent)
    exact = Found("exact", *exact_copies(scores))
    rows, repeats = near_copies(scores)
    others = ~is_listed(rows, exact.rows)
    near = Found("near", rows[others], repeats[others])
    prompts = replace(scores, batches=lambda _: _prompts(scored, exact.rows))
    return exact, near, Found("prompt", *exact_copies(prompts))


def _prompts(scored: ScoredPool, without: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The prompts' hashes in the place of ids, of all rows but those ``without``."""
    (hashed,) = (one.name for one in SCORERS if isinstance(one, PromptHash))
    for batch in scored.batches((hashed,)):
        kept = batch.filter(pa.array((~is_listed(batch["row"].to_numpy(), without)).tolist(), pa.bool_()))
        yield pa.RecordBatch.from_arrays([kept["row"], kept[hashed]], names=["row", "id"])
