"""T-SHIRT: instruction-following difficulty over the tokens that the prompt affects, and over noisy copies
of a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.records import Better, Cost, Pool
from handpicked.scorers.forecast import Forecast
from handpicked.scorers.lm.likelihood import BUNDLED, LanguageModel, LossPasses, LossWork, loss_facts
from handpicked.scorers.lm.losses import LARGEST, Losses
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.lm.quantile import quantile
from handpicked.scorers.part_scorer import PartScorer
from handpicked.scorers.pool_scorer import FACTS, write_tables
from handpicked.scorers.scorer import Scope
from handpicked.store import write_json
from handpicked.store.versions import LANGUAGE_MODEL
from handpicked.workers import PartFiles

NEIGHBOURS = 30
NO_RATIO = "a loss of the row or of a neighbour is not a finite number, or too large for a perplexity"


@dataclass(frozen=True)
class TShirt(PartScorer):
    """Selective IFD over neighbours (Fu et al. 2025, T-SHIRT, arXiv 2506.01317, and the authors' code).

    For response token t, Delta_t = log p(a_t | a_<t) - log p(a_t | Q, a_<t): below 0 where the prompt helps.
    Only tokens with |Delta_t| over a threshold count, the (1 - ``ratio``) quantile of |Delta| over all tokens
    of all scored rows, so that the scope is the set:

        S-IFD = exp(mean of Delta_t over these tokens),  1 where a row has none

    ``neighbours`` copies of the row with noise on the token embeddings (alpha 5, ``score.noise``) are scored,
    and ``t-shirt`` is their mean S-IFD, ``t-shirt_spread`` its standard deviation, ``t-shirt_ifd`` their mean
    IFD. Selecting ``by: t-shirt`` leaves out rows whose mean IFD is 1 or more, keeps twice the size by the
    highest mean and of these the size with the smallest spread. With no neighbours ``t-shirt`` is the row's
    own S-IFD, and the highest are kept.

    Cost: IFD's, (1 + neighbours) times. Unlike the authors we give the response alone a beginning-of-text
    token, so that its first token counts.
    """

    lm: LanguageModel = BUNDLED
    neighbours: Annotated[int, Field(ge=0)] = NEIGHBOURS
    """Noisy copies of each row that are scored too, each at the cost of the row itself."""
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of all tokens that count, 0 to 1."""
    seed: int = 0
    """Seed of the noise."""
    name: ClassVar[str] = "t-shirt"
    about: ClassVar[str] = "IFD over the tokens that the prompt affects, for rows whose noisy copies agree"
    source: ClassVar[str] = "T-SHIRT, Fu et al. 2025, arXiv 2506.01317"
    needs: ClassVar[str] = "lm; demo for the bundled model"
    values: ClassVar[tuple[str, ...]] = (
        "t-shirt", "t-shirt_spread", "t-shirt_ifd", "t-shirt_tokens", "t-shirt_truncated",
    )  # fmt: skip
    unit: ClassVar[str] = "ratio of perplexities over selected tokens"
    better: ClassVar[Better] = "high"
    scope: ClassVar[Scope] = "set"
    cost: ClassVar[Cost] = "model forward"
    version: ClassVar[int] = 2  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = LANGUAGE_MODEL
    part_rows: ClassVar[int] = 64

    def identity(self) -> str:
        """See ``PoolScorer``."""
        return self.lm.identity()

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> Forecast:
        """See ``PoolScorer``."""
        summary = self.lm.estimate(pool, rows, passes=2, times=1 + self.neighbours)
        if not self.neighbours:
            return summary
        return replace(summary, sentence=f"{summary.sentence} (score.neighbours=0 does the row alone)")

    def opened(self) -> LossWork:
        """See ``PartScorer``."""
        noise = Noise(seed=self.seed) if self.neighbours else None
        needed = LossPasses(alone=True, each=True, neighbours=self.neighbours, noise=noise)
        return self.lm.work(partial(delta_table, self.copies), needed)

    def facts(self, noted: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """See ``PartScorer``."""
        return loss_facts(noted)

    @property
    def copies(self) -> range:
        """The numbers of the neighbours that count: 0, the row itself, where there are no others."""
        return range(1, self.neighbours + 1) if self.neighbours else range(1)

    def finish(self, files: PartFiles, work: Path) -> None:
        """The threshold from the tokens of all parts, then the columns, part by part. The threshold is among
        the facts.
        """
        threshold = quantile(lambda: map(_moved, files.tables()), 1 - self.ratio) or 0.0
        write_json(work / FACTS, {**self.facts(files.facts()), "threshold": round(threshold, 6)})
        write_tables(work, (self._scored(table, threshold) for table in files.tables()))

    def _scored(self, table: pa.Table, threshold: float) -> pa.Table:
        lines: list[dict[str, object]] = []
        for one in table.to_pylist():
            line = {name: one[name] for name in ("row", "reason", "t-shirt_tokens", "t-shirt_truncated")}
            values = np.array([ratios for delta in one["deltas"] if (ratios := _ratios(delta, threshold))])
            if one["reason"] is None and len(values) < len(self.copies):
                line["reason"] = NO_RATIO
            elif one["reason"] is None:
                line |= {
                    "t-shirt": float(values[:, 0].mean()),
                    "t-shirt_spread": float(values[:, 0].std()),
                    "t-shirt_ifd": float(values[:, 1].mean()),
                }
            lines.append(line)
        schema = pa.schema(
            [("row", pa.int64()), *((value, pa.float64()) for value in self.values), ("reason", pa.string())]
        )
        return pa.Table.from_pylist(lines, schema)


DELTAS = pa.schema(
    [
        ("row", pa.int64()),
        ("t-shirt_tokens", pa.int64()),
        ("t-shirt_truncated", pa.int64()),
        ("deltas", pa.list_(pa.list_(pa.float32()))),
        ("reason", pa.string()),
    ]
)
"""A part: of each row the Delta of every response token, in each copy that has losses."""


def delta_table(copies: Sequence[int], losses: Losses) -> tuple[pa.Table, dict[str, object]]:
    """The table of a part; nothing to note."""
    deltas: dict[int, list[np.ndarray]] = {}
    for copy in copies:
        for row in losses.rows(copy):
            found = deltas.setdefault(row.row, [])
            if row.each_given is not None and row.each_alone is not None:
                found.append(row.each_given - row.each_alone)
    lines = [
        {
            "row": one.row,
            "t-shirt_tokens": one.tokens,
            "t-shirt_truncated": one.cut,
            "deltas": deltas[one.row],
            "reason": one.reason,
        }
        for one in losses.rows()
    ]
    return pa.Table.from_pylist(lines, DELTAS), {}


def _moved(table: pa.Table) -> np.ndarray:
    """By how much the prompt moves each token of a part."""
    flat = table["deltas"].combine_chunks().flatten().flatten()
    return np.abs(np.asarray(flat, np.float32))


def _ratios(delta: Sequence[float], threshold: float) -> tuple[float, float] | None:
    """S-IFD and IFD of one copy; None where one is too large for a number."""
    array = np.array(delta, np.float32)
    exponents = _selected(array, threshold), float(array.mean(dtype=np.float64))
    return (math.exp(exponents[0]), math.exp(exponents[1])) if max(exponents) <= LARGEST else None


def selective_ifd(delta: np.ndarray, threshold: float) -> float:
    """exp of the mean Delta over the tokens that the prompt moves by more than ``threshold``
    nats; 1 where it moves none.
    """
    return math.exp(_selected(delta, threshold))


def _selected(delta: np.ndarray, threshold: float) -> float:
    chosen = delta[np.abs(delta) > threshold]
    return float(chosen.mean(dtype=np.float64)) if len(chosen) else 0.0
