"""Instruction-following difficulty: how much a prompt helps a model to predict the response."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.lm.likelihood import LanguageModel, LossPasses, loss_facts
from handpicked.scorers.lm.loss_scorer import LossScorer, Reach
from handpicked.scorers.lm.losses import Losses
from handpicked.scorers.part_scorer import RowsWork, summed

COMPANIONS = ("loss_ratio", "over_1", "perplexity", "perplexity_alone", "tokens", "truncated")


@dataclass(frozen=True)
class Ifd(LossScorer):
    """IFD (Li et al. 2024, From Quantity to Quality, arXiv 2308.12032; as a ratio of perplexities in
    arXiv 2402.00530, Eq. 1-3).

        IFD(Q, A) = PPL(A | Q) / PPL(A),   PPL(A | Q) = exp(-1/N sum_i log p(a_i | Q, a_1 .. a_{i-1}))

    over the same N response tokens in both (the end-of-text token is none of them); the response alone
    follows one beginning-of-text token. Near 1: the prompt hardly helps, so the row is difficult and has
    something to teach. Over 1: the prompt misleads; the authors leave such rows out, and so does selecting
    ``by: ifd`` (``ceiling``).

    Its columns: ``ifd``; ``ifd_loss_ratio``, the ratio of mean losses that the authors' first code ranks by;
    ``ifd_over_1`` (1 or 0); ``ifd_perplexity`` given the prompt and ``ifd_perplexity_alone``; ``ifd_tokens``
    of the response that were scored, ``ifd_truncated`` beyond max_length. Cost: two forward passes over each
    response and one over each prompt.
    """

    name: ClassVar[str] = "ifd"
    about: ClassVar[str] = (
        "how little the prompt helps a causal LM predict the response: a ratio of perplexities"
    )
    source: ClassVar[str] = "Li et al. 2024, arXiv 2308.12032"
    needs: ClassVar[str] = "lm; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = ("ifd", *(f"ifd_{one}" for one in COMPANIONS))
    unit: ClassVar[str] = "ratio of perplexities"
    better: ClassVar[Better] = "high"
    ceiling: ClassVar[float] = 1.0
    passes: ClassVar[int] = 2
    version: ClassVar[int] = 2  # raise it when a value changes

    def work(self, reach: Reach | None) -> RowsWork[Any]:
        """See ``LossScorer``."""
        return ifd_work(self.name, self.lm, reach)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return ifd_facts(noted)


def ifd_work(name: str, lm: LanguageModel, reach: Reach | None) -> RowsWork[Any]:
    """The work of IFD; its columns begin with ``name``."""
    return lm.work(partial(ifd_table, name), LossPasses(alone=True), reach)


def ifd_facts(noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Those of the losses, and how many rows are over 1."""
    return {**loss_facts(noted), "over 1": summed({"over 1": one["over 1"]} for one in noted)["over 1"]}


def ifd_table(name: str, losses: Losses) -> tuple[pa.Table, dict[str, object]]:
    """The ratios and their parts, and how many are over 1."""
    table: list[dict[str, float | int | str | None]] = []
    for row in losses.rows():
        line: dict[str, float | int | str | None] = {"row": row.row, "reason": row.reason}
        line |= {f"{name}_tokens": row.tokens, f"{name}_truncated": row.cut}
        if row.given is not None and row.alone is not None:
            ratio = math.exp(row.given - row.alone)
            line |= {
                name: ratio,
                f"{name}_loss_ratio": row.given / row.alone if row.alone else None,
                f"{name}_over_1": float(ratio > 1),
                f"{name}_perplexity": math.exp(row.given),
                f"{name}_perplexity_alone": math.exp(row.alone),
            }
        table.append(line)
    kinds = [(value, pa.float64()) for value in (name, *(f"{name}_{one}" for one in COMPANIONS))]
    schema = pa.schema([("row", pa.int64()), *kinds, ("reason", pa.string())])
    over = sum(line.get(f"{name}_over_1") == 1 for line in table)
    return pa.Table.from_pylist(table, schema), {"over 1": over}
