"""Superfiltering: IFD by a small model in place of a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from handpicked.records import Better
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.lm.loss_scorer import LossScorer, Reach
from handpicked.scorers.model.ifd import COMPANIONS, ifd_facts, ifd_work
from handpicked.scorers.part_scorer import RowsWork

PLAIN = LanguageModel(template="plain")


@dataclass(frozen=True)
class Superfiltering(LossScorer):
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
    passes: ClassVar[int] = 2
    version: ClassVar[int] = 1  # raise it when a value changes

    def work(self, reach: Reach | None) -> RowsWork[Any]:
        """See ``LossScorer``."""
        return ifd_work(self.name, self.lm, reach)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return ifd_facts(noted)
