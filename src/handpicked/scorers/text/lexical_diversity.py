"""How varied the words of a response are, without a bias for short ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.prose import prose
from handpicked.scorers.text.words import split_words

NO_WORD = r"[^\pL\pM\pN'\x{2019}-]+"


@dataclass(frozen=True)
class LexicalDiversity(Scorer):
    """The moving-average type-token ratio: the mean share of different words in all runs of ``window`` words.

    Covington and McFall (2010), Cutting the Gordian Knot: The Moving-Average Type-Token Ratio, J.
    Quantitative Linguistics 17(2). Words are compared in lower case and without punctuation; fenced code is
    left out. Every run is as long, so that unlike the plain ratio it does not fall with length. 0 to 1.
    """

    window: Annotated[int, Field(gt=0)] = 25
    """Words in a run."""

    name: ClassVar[str] = "lexical_diversity"
    about: ClassVar[str] = "different words per word, over a moving window of 25"
    source: ClassVar[str] = "Covington and McFall 2010, J. Quantitative Linguistics 17(2)"
    unit: ClassVar[str] = "different words per word, 0 to 1"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")

    @property
    def missing(self) -> str:  # type: ignore[override]  # it depends on a field
        return f"the response has fewer than {self.window} words"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        cleaned = pc.replace_substring_regex(pc.utf8_lower(prose(batch["response"])), NO_WORD, " ")
        words, offsets = split_words(cleaned)
        codes = pc.dictionary_encode(words).indices.to_numpy(zero_copy_only=False)
        lengths = np.diff(offsets)
        owners = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(codes)) - offsets[:-1][owners]

        keys = owners * (codes.max(initial=0) + np.int64(1)) + codes  # equal for one word of one text
        order = np.argsort(keys, kind="stable")
        before = np.full(len(codes), -1)
        again = keys[order[1:]] == keys[order[:-1]]
        before[order[1:][again]] = place[order[:-1][again]]
        # A word is new in every window that holds it and begins after its last occurrence.
        first = np.maximum(np.maximum(before + 1, place - self.window + 1), 0)
        last = np.minimum(place, lengths[owners] - self.window)
        types = np.bincount(owners, weights=np.maximum(last - first + 1, 0), minlength=len(lengths))
        windows = lengths - self.window + 1
        values = types / (np.maximum(windows, 1) * self.window)
        return pa.array(values, pa.float64(), mask=windows < 1)
