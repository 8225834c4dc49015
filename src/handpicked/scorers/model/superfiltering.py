"""Superfiltering: IFD by a small model in place of a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from handpicked.progress import Progress
from handpicked.records import Better, Cost, Pool
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.ifd import COMPANIONS, score_ifd
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scope
from handpicked.store.versions import LANGUAGE_MODEL

PLAIN = LanguageModel(template="plain")


@dataclass(frozen=True)
class Superfiltering(PoolScorer):
    """IFD by a small model (Li et al. 2024, Superfiltering, arXiv 2402.00530, Eq. 1-3; they
    take GPT-2 of 124M weights).

    The formula, the columns and the ceiling are those of ``Ifd``, the cost that of a small model. As in the
    authors' code the prompt is written plainly, without a chat template (``plain``: prompt, a blank line,
    response; theirs is one line break).
    """

    lm: LanguageModel = field(default=PLAIN, metadata={"fixed": ("template",)})
    name: ClassVar[str] = "superfiltering"
    about: ClassVar[str] = "IFD by a small causal LM, without a chat template"
    source: ClassVar[str] = "Li et al. 2024, arXiv 2402.00530"
    needs: ClassVar[str] = "lm; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = ("superfiltering", *(f"superfiltering_{one}" for one in COMPANIONS))
    unit: ClassVar[str] = "ratio of perplexities"
    better: ClassVar[Better] = "high"
    ceiling: ClassVar[float] = 1.0
    scope: ClassVar[Scope] = "item"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL

    def identity(self) -> str:
        """See ``PoolScorer``."""
        return self.lm.identity()

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """See ``PoolScorer``."""
        return self.lm.estimate(pool, rows, passes=2)

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """See ``PoolScorer``."""
        score_ifd(self.name, self.lm, pool, rows, work, progress)
