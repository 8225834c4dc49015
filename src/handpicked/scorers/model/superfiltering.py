"""Superfiltering: IFD by a small model in place of a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from handpicked.records import Better, Cost, Pool
from handpicked.scorers.lm.likelihood import LM_PART, LanguageModel, LossWork
from handpicked.scorers.model.ifd import COMPANIONS, ifd_facts, ifd_work
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.scorer import Scope
from handpicked.store.versions import LANGUAGE_MODEL

PLAIN = LanguageModel(template="plain")


@dataclass(frozen=True)
class Superfiltering(PartScorer):
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
    part_rows: ClassVar[int] = LM_PART

    def identity(self) -> str:
        """See ``PoolScorer``."""
        return self.lm.identity()

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """See ``PoolScorer``."""
        return self.lm.estimate(pool, rows, passes=2)

    def opened(self) -> LossWork:
        """See ``PartScorer``."""
        return ifd_work(self.name, self.lm)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return ifd_facts(noted)
