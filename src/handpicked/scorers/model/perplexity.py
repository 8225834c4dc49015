"""Perplexity of a response given its prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from handpicked.scorers.lm.likelihood import LossPasses
from handpicked.scorers.lm.loss_scorer import LossScorer, Reach
from handpicked.scorers.lm.losses import Losses
from handpicked.scorers.part_scorer import RowsWork


@dataclass(frozen=True)
class Perplexity(LossScorer):
    """Perplexity of the response given the prompt: exp(-1/N sum_i log p(a_i | Q, a_1 ..
    a_{i-1})), N response tokens.

    Jelinek et al. 1977; for the choice of demonstrations Cao et al. 2023 (arXiv 2307.06290), Marion et al.
    2023 (arXiv 2309.04564), who differ over which end is better: so ``better`` is none, and a selection names
    the end. The end-of-text token is not counted. Columns: ``perplexity``, ``perplexity_tokens`` of the
    response that were scored, ``perplexity_truncated`` beyond max_length. Cost: one forward pass over prompt
    and response.
    """

    name: ClassVar[str] = "perplexity"
    about: ClassVar[str] = (
        "perplexity of the response given the prompt, by a causal LM; choose the end yourself"
    )
    source: ClassVar[str] = "Marion et al. 2023, arXiv 2309.04564"
    needs: ClassVar[str] = "lm; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = ("perplexity", "perplexity_tokens", "perplexity_truncated")
    unit: ClassVar[str] = "perplexity per token"
    version: ClassVar[int] = 2  # raise it when a value changes

    def work(self, reach: Reach | None) -> RowsWork[Any]:
        """See ``LossScorer``."""
        return self.lm.work(perplexity_table, LossPasses(alone=False), reach)


def perplexity_table(losses: Losses) -> tuple[pa.Table, dict[str, object]]:
    """The perplexities; nothing to note."""
    table = [
        (row.row, None if row.given is None else math.exp(row.given), row.tokens, row.cut, row.reason)
        for row in losses.rows()
    ]
    names = ("row", *Perplexity.values, "reason")
    kinds = (pa.int64(), *[pa.float64()] * len(Perplexity.values), pa.string())
    arrays = [pa.array([line[i] for line in table], kind) for i, kind in enumerate(kinds)]
    return pa.table(arrays, names=list(names)), {}
