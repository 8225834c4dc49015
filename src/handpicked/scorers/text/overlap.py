"""Whether a row contains an evaluation prompt, which would spoil the evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.words import numbered_words, split_words


@dataclass(frozen=True)
class PromptOverlap(Scorer):
    """The first evaluation prompt (label) of which ``n`` words in a row occur in the row's
    prompt or response, or null.

    Brown et al. (2020), Language Models are Few-Shot Learners, appendix C, with n = 13. ``exact`` compares
    words as they are; otherwise case and punctuation are ignored (everything but letters, numbers and white
    space is removed). A prompt of fewer than ``n`` words counts only where it is the row's whole prompt.
    """

    prompts: tuple[tuple[str, str], ...]
    """Label and text of each evaluation prompt."""
    n: int = 13
    exact: bool = False

    listed: ClassVar[bool] = False
    unit: ClassVar[str] = "label of the prompt"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "pyarrow")
    columns: ClassVar[tuple[str, ...]] = ("prompt", "response")
    missing: ClassVar[str] = "no overlap with an evaluation prompt"

    @property
    def name(self) -> str:  # type: ignore[override]  # the column says how words were compared
        return "overlap_exact" if self.exact else "overlap"

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        index = _index(self)
        found: list[str | None] = [None] * len(batch)
        for column in self.columns:
            texts = _plain(batch[column], self.exact)
            for row, place in index.matches(texts, self.n):
                found[row] = found[row] or self.prompts[place][0]
            if column == "prompt":
                for row, text in enumerate(" ".join(words.split()) for words in texts.to_pylist()):
                    if text in index.short:
                        found[row] = found[row] or self.prompts[index.short[text]][0]
        return pa.array(found, pa.large_string())


@dataclass(frozen=True)
class _Index:
    """The n-grams of the prompts as sorted hashes with the prompt of each, and the short prompts whole."""

    vocabulary: pa.Array
    hashes: np.ndarray
    places: np.ndarray
    short: dict[str, int]

    def matches(self, texts: pa.Array, n: int) -> list[tuple[int, int]]:
        """(row, prompt) of every n-gram of ``texts`` that a prompt has too."""
        if not len(self.hashes):
            return []
        hashes, rows = numbered_words(texts, self.vocabulary).ngrams(n)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        hit = np.flatnonzero(self.hashes[at] == hashes)
        return list(zip(rows[hit].tolist(), self.places[at[hit]].tolist(), strict=True))


@lru_cache(maxsize=64)
def _index(scorer: PromptOverlap) -> _Index:
    texts = _plain(pa.array([text for _, text in scorer.prompts], pa.large_string()), scorer.exact)
    words, offsets = split_words(texts)
    vocabulary = pc.unique(words)
    hashes, places = numbered_words(texts, vocabulary).ngrams(scorer.n)
    order = np.lexsort((places, hashes))
    short = {}
    for place, text in reversed(list(enumerate(texts.to_pylist()))):
        if 0 < offsets[place + 1] - offsets[place] < scorer.n:
            short[" ".join(text.split())] = place
    return _Index(vocabulary, hashes[order], places[order], short)


def _plain(texts: pa.Array, exact: bool) -> pa.Array:
    texts = pc.fill_null(texts, "").cast(pa.large_string())
    return texts if exact else pc.replace_substring_regex(pc.utf8_lower(texts), r"[^\pL\pN\s]+", "")
