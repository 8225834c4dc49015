"""Response length in NLTK word tokens, the measure behind the published "1K longest" subsets.

Zhao et al. (2024), Long Is More for Alignment, rank by ``len(nltk.word_tokenize(response))``. NLTK's function
loads a trained Punkt model that must be downloaded; here sentences are split by an untrained Punkt, which
knows no abbreviations. The tokens differ only where an abbreviation ends in a full stop within a text ("Dr.
Who").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer

if TYPE_CHECKING:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer


@lru_cache(maxsize=1)
def _parts() -> tuple[PunktSentenceTokenizer, NLTKWordTokenizer]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktSentenceTokenizer

    return PunktSentenceTokenizer(), NLTKWordTokenizer()


def word_count(text: str) -> int:
    """The number of NLTK word tokens of ``text``."""
    sentences, words = _parts()
    return sum(len(words.tokenize(sentence)) for sentence in sentences.tokenize(text))


@dataclass(frozen=True)
class LengthNltk(Scorer):
    """NLTK word tokens of the response, punctuation marks included, with no download."""

    name: ClassVar[str] = "nltk"
    about: ClassVar[str] = "NLTK word tokens after Punkt sentence splitting"
    source: ClassVar[str] = "Zhao et al. 2024, arXiv 2402.04833"
    unit: ClassVar[str] = "NLTK word tokens"
    better: ClassVar[Better] = "high"
    measure: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("nltk",)

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return pa.array(
            [None if text is None else word_count(text) for text in batch["response"].to_pylist()], pa.int64()
        )
