"""Similarity to a target set in the space of a sentence embedder.

Source: the embedding baselines of Ivison et al., 2025, arXiv 2503.01807: the largest cosine to a target, rows
taken in round robin over the targets, as for ``rds``, but with sentence embeddings (Reimers and Gurevych,
2019, arXiv 1908.10084).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from handpicked.config import BUNDLED_EMBEDDER, LATER
from handpicked.method import called, read_by
from handpicked.models.embed import embed
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.resemblance import (
    ROWS,
    Compared,
    compared_table,
    targets_table,
    write_resemblance,
)
from handpicked.scorers.lm.target import TargetSet, target_text
from handpicked.scorers.lm.vectors import NumberType, vectors_of
from handpicked.scorers.model.embedding import Embedding, EmbeddingWork
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.scorer import Scope
from handpicked.store.versions import EMBEDDER
from handpicked.workers import PartFiles


@dataclass(frozen=True)
class TargetSimilarity(PartScorer):
    """``target-similarity`` is the cosine to the most similar target, ``target-similarity_rank`` the
    place in the round robin.

    A selection by ``target-similarity`` takes rows by rank, 1 first. Prompt and response are embedded as one
    text; where a target has no response, prompts are compared with prompts. An embedder reads the start of a
    text only (the bundled one 256 tokens); ``target-similarity_truncated`` counts the tokens that it does not
    read.

    Cost: one pass of a small encoder a row and a target.
    """

    target: TargetSet = field(
        metadata=read_by(TargetSet.read, str, "needs a target set; give a file of examples (--target FILE).")
    )
    """File of target examples, or of prompts."""
    embedder: str = BUNDLED_EMBEDDER
    """Sentence embedder: ``bundled:NAME``, a folder or a hub name."""
    stored: NumberType = field(default="float32", metadata={**called("vectors"), **LATER})
    """How vectors are stored: ``float32``, or ``float16``, which takes half the disk space and changes a
    cosine by less than 0.001.
    """
    name: ClassVar[str] = "target-similarity"
    about: ClassVar[str] = "similarity to a target set in sentence embeddings, round robin over the targets"
    source: ClassVar[str] = "Ivison et al. 2025, arXiv 2503.01807"
    needs: ClassVar[str] = "embed, a target set; demo for the bundled model"
    values: ClassVar[tuple[str, str, str]] = (
        "target-similarity",
        "target-similarity_rank",
        "target-similarity_truncated",
    )
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "high"
    scope: ClassVar[Scope] = "set"
    cost: ClassVar[Cost] = "embedding"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = EMBEDDER

    def identity(self) -> str:
        """The embedder's files or commit, and the target's content."""
        return f"{self._embedding.identity()}, target sha256:{self.target.sha256}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """Tokens and time; the few targets come on top."""
        of_rows = self._embedding.estimate(pool, rows)
        return replace(of_rows, sentence=f"{of_rows.sentence}, and {len(self.target):,} targets")

    def opened(self) -> SimilarityWork:
        """See ``PartScorer``."""
        return SimilarityWork(self.target, EmbeddingWork(self.embedder, self._embedding.text), self.stored)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``: ``finish`` finds them."""
        return {}

    def sections(self, rows: int) -> tuple[int, ...]:
        """The rows, and the targets."""
        return (rows, len(self.target))

    def of_rows(self, section: int) -> bool:
        """See ``PartScorer``."""
        return section == ROWS

    def finish(self, files: PartFiles, work: Path) -> None:
        """Similarity and rank of every row; null for an empty response and for a row without an embedding."""
        write_resemblance(work, self.values, files, self.target)

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.embedder, "both" if self.target.whole else "prompt")


@dataclass(frozen=True)
class SimilarityWork:
    """Embeddings of the rows and targets of parts, in one worker."""

    target: TargetSet
    embedding: EmbeddingWork
    stored: NumberType = "float32"

    def read(self, section: int, examples: Sequence[Example]) -> Any:
        """See ``RowsWork``."""
        return examples, self.embedding.read(section, examples)

    def read_beside(self, section: int, first: int, end: int) -> object:
        """See ``RowsWork``: the texts of targets."""
        del section
        return None, [target_text(prompt, self.target.whole) for prompt in self.target][first:end]

    def compute(self, ready: Any, step: Callable[[float], None]) -> pa.Table:
        """See ``RowsWork``."""
        examples, texts = ready
        if examples is None:
            return targets_table(embed(texts, self.embedding.model))
        table = self.embedding.compute(texts, step)
        compared = [
            _compared(example, cut, reason)
            for example, cut, reason in zip(
                examples, table["embedding_cut"].to_pylist(), table["reason"].to_pylist(), strict=True
            )
        ]
        valued = table.filter(pa.array([row.reason is None for row in compared], pa.bool_()))
        return compared_table(compared, vectors_of(valued), self.stored)


def _compared(example: Example, cut: float | None, reason: str | None) -> Compared:
    """A row whose embedder did not read ``cut`` tokens; ``None``: it has no embedding, for this reason."""
    if not example.response.strip():
        return Compared(example.row, example.id, reason="the response is empty")
    return Compared(example.row, example.id, int(cut or 0), reason)
