"""Similarity to a target set in the space of a sentence embedder.

Source: the embedding baselines of Ivison et al., 2025, arXiv 2503.01807: the largest cosine to a target, rows
taken in round robin over the targets, as for ``rds``, but with sentence embeddings (Reimers and Gurevych,
2019, arXiv 1908.10084).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from handpicked.config import BUNDLED_EMBEDDER
from handpicked.method import read_by
from handpicked.models.embed import embed
from handpicked.progress import Progress
from handpicked.records import Better, Cost, Example, Pool
from handpicked.scorers.lm.resemblance import Compared, write_resemblance
from handpicked.scorers.lm.target import TargetSet, target_text
from handpicked.scorers.model.embedding import ROWS, VECTORS, Embedding
from handpicked.scorers.pool_scorer import SCORES, PoolScorer, read_scores
from handpicked.scorers.scorer import Scope
from handpicked.store.versions import EMBEDDER


@dataclass(frozen=True)
class TargetSimilarity(PoolScorer):
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

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """Tokens and time; the few targets come on top."""
        return f"{self._embedding.estimate(pool, rows)}, and {len(self.target):,} targets"

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """Similarity and rank of every row; null for an empty response and for a row without an embedding."""
        if (work / SCORES).is_file():
            return
        folder = work / "embedding"
        folder.mkdir(exist_ok=True)
        self._embedding.score(pool, rows, folder, progress)
        table = read_scores(folder)
        told = {line["row"]: line for line in table.select(["row", "embedding_cut", "reason"]).to_pylist()}
        compared = [
            _compared(example, told[example.row]["embedding_cut"], told[example.row]["reason"])
            for example in pool.examples(rows)
        ]
        valued = [row.row for row in compared if row.reason is None]
        # Each file is of the rows that have an embedding, ascending.
        of_row, vectors = (
            np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in (ROWS, VECTORS)
        )
        targets = embed([target_text(prompt, self.target.whole) for prompt in self.target], self.embedder)
        of_valued = vectors[np.searchsorted(of_row, valued)]
        write_resemblance(work, self.values, compared, of_valued, self.target, targets)
        shutil.rmtree(folder)

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.embedder, "both" if self.target.whole else "prompt")


def _compared(example: Example, cut: float | None, reason: str | None) -> Compared:
    """A row whose embedder did not read ``cut`` tokens; ``None``: it has no embedding, for this reason."""
    if not example.response.strip():
        return Compared(example.row, example.id, reason="the response is empty")
    return Compared(example.row, example.id, int(cut or 0), reason)
