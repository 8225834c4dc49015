"""Similarity to a target set in the space of a sentence embedder.

Source: the embedding baselines of Ivison et al., 2025, arXiv 2503.01807, section 3: the largest cosine to a target, rows taken in
round robin over the targets, as for ``rds``, but with sentence embeddings (Reimers and Gurevych, 2019, arXiv 1908.10084).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from handpicked.config import BUNDLED_EMBEDDER
from handpicked.models.embed import embed, embedder, embedder_identity, tokens_read
from handpicked.progress import Progress
from handpicked.records import Better, Cost, Pool
from handpicked.score.forecast import forecast
from handpicked.score.pool_scorer import SCORES
from handpicked.score.resemblance import Compared, write_resemblance
from handpicked.score.scorer import Scope
from handpicked.score.target import TargetSet, example_text, target_text
from handpicked.score.vectors import Embed, compute_vectors, forget_vectors

if TYPE_CHECKING:
    import numpy as np

BATCH = 64
"""Texts embedded between two entries of the journal."""


@dataclass(frozen=True)
class TargetSimilarity:
    """``target-similarity`` is the cosine to the most similar target, ``target-similarity_rank`` the place in the round robin.

    A selection by ``target-similarity`` takes rows by rank, 1 first. Prompt and response are embedded as one text; where a
    target has no response, prompts are compared with prompts. An embedder reads the start of a text only (the bundled one 256
    tokens); ``target-similarity_truncated`` counts the tokens that it does not read.

    Cost: one pass of a small encoder a row and a target.
    """

    target: TargetSet
    embedder: str = BUNDLED_EMBEDDER
    name: ClassVar[str] = "target-similarity"
    values: ClassVar[tuple[str, str, str]] = (
        "target-similarity",
        "target-similarity_rank",
        "target-similarity_truncated",
    )
    unit: ClassVar[str] = "cosine"
    better: ClassVar[Better] = "high"
    scope: ClassVar[Scope] = "set"
    cost: ClassVar[Cost] = "embedding"

    def identity(self) -> str:
        """The embedder's files or commit, and the target's content."""
        return f"{embedder_identity(self.embedder)} target sha256:{self.target.sha256}"

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """Tokens and time, those of the target included."""
        whole = self.target.whole
        weights = sum(weight.numel() for weight in embedder(self.embedder).parameters())
        return forecast(
            pool,
            rows,
            lambda one: tokens_read([example_text(one, whole)], self.embedder)[0][0],
            weights,
            self.embedder,
            more_tokens=sum(read for read, _ in self._read(self._targets())),
        )

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """Similarity and rank of every row; null for an empty response."""
        if (work / SCORES).is_file():
            return
        whole = self.target.whole
        examples = [(one.row, one.id, one.response, example_text(one, whole)) for one in pool.examples(rows)]
        valued = [text for _, _, response, text in examples if response.strip()]
        texts = [*valued, *self._targets()]
        read = self._read(texts)
        order = sorted(range(len(texts)), key=lambda place: (-read[place][0], texts[place]))
        plan = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
        costs = [count for count, _ in read]
        vectors = compute_vectors(work, plan, costs, lambda: self._load(texts), progress, self.name)
        assert vectors is not None  # there is a target
        cuts = iter(cut for _, cut in read)
        compared = [
            Compared(row, name, next(cuts))
            if response.strip()
            else Compared(row, name, reason="the response is empty")
            for row, name, response, _ in examples
        ]
        write_resemblance(work, self.values, compared, vectors[: len(valued)], vectors[len(valued) :])
        forget_vectors(work)

    def _targets(self) -> list[str]:
        return [target_text(prompt, self.target.whole) for prompt in self.target]

    def _read(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        return tokens_read(texts, self.embedder)

    def _load(self, texts: Sequence[str]) -> Embed:
        def embed_places(places: Sequence[int]) -> np.ndarray[Any, Any]:
            return embed([texts[place] for place in places], self.embedder)

        return embed_places
