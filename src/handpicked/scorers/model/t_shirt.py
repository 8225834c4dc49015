"""T-SHIRT: instruction-following difficulty over the tokens that the prompt affects, and over noisy copies
of a row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from handpicked.progress import Progress
from handpicked.records import Better, Cost, Pool
from handpicked.scorers.lm.likelihood import BUNDLED, LanguageModel, leave_nothing_else
from handpicked.scorers.lm.losses import LARGEST, Losses
from handpicked.scorers.lm.noise import Noise
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer, write_scores
from handpicked.scorers.scorer import Scope
from handpicked.store import write_json
from handpicked.store.versions import LANGUAGE_MODEL

NEIGHBOURS = 30
NO_RATIO = "a loss of the row or of a neighbour is no finite number, or too large for a perplexity"


@dataclass(frozen=True)
class TShirt(PoolScorer):
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

    def identity(self) -> str:
        """See ``PoolScorer``."""
        return self.lm.identity()

    def estimate(self, pool: Pool, rows: Sequence[int] | None) -> str:
        """See ``PoolScorer``."""
        told = self.lm.estimate(pool, rows, passes=2, times=1 + self.neighbours)
        return f"{told} (score.neighbours=0 does the row alone)" if self.neighbours else told

    def score(self, pool: Pool, rows: Sequence[int] | None, work: Path, progress: Progress) -> None:
        """See ``PoolScorer``."""
        if (work / SCORES).is_file():
            return
        noise = Noise(seed=self.seed) if self.neighbours else None
        losses = self.lm.losses(
            pool, rows, work, progress,
            name=self.name, alone=True, each=True, neighbours=self.neighbours, noise=noise,
        )  # fmt: skip
        self.write(losses, work)
        leave_nothing_else(work)

    def write(self, losses: Losses, work: Path) -> None:
        """The columns, from the losses of all tokens. The threshold is among the facts."""
        copies = range(1, self.neighbours + 1) if self.neighbours else range(1)
        deltas = [delta for copy in copies for _, delta in _deltas(losses, copy)]
        moved = np.abs(np.concatenate(deltas)) if deltas else np.zeros(1, np.float32)
        threshold = float(np.percentile(moved, 100 * (1 - self.ratio)))
        found: dict[int, list[tuple[float, float]]] = {}
        for copy in copies:
            for row, delta in _deltas(losses, copy):
                exponents = _selected(delta, threshold), float(delta.mean(dtype=np.float64))
                if max(exponents) <= LARGEST:
                    found.setdefault(row, []).append((math.exp(exponents[0]), math.exp(exponents[1])))
        table: list[dict[str, float | int | str | None]] = []
        for one in losses.rows():
            line: dict[str, float | int | str | None] = {"row": one.row, "reason": one.reason}
            line |= {"t-shirt_tokens": one.tokens, "t-shirt_truncated": one.cut}
            values = np.array(found.get(one.row, []))
            if one.reason is None and len(values) < len(copies):
                line["reason"] = NO_RATIO
            elif one.reason is None:
                line |= {
                    "t-shirt": float(values[:, 0].mean()),
                    "t-shirt_spread": float(values[:, 0].std()),
                    "t-shirt_ifd": float(values[:, 1].mean()),
                }
            table.append(line)
        schema = pa.schema(
            [("row", pa.int64()), *((value, pa.float64()) for value in self.values), ("reason", pa.string())]
        )
        write_json(work / FACTS, {**losses.facts, "threshold": round(threshold, 6)})
        write_scores(work, pa.Table.from_pylist(table, schema))


def selective_ifd(delta: np.ndarray, threshold: float) -> float:
    """exp of the mean Delta over the tokens that the prompt moves by more than ``threshold``
    nats; 1 where it moves none.
    """
    return math.exp(_selected(delta, threshold))


def _selected(delta: np.ndarray, threshold: float) -> float:
    chosen = delta[np.abs(delta) > threshold]
    return float(chosen.mean(dtype=np.float64)) if len(chosen) else 0.0


def _deltas(losses: Losses, neighbour: int) -> Iterator[tuple[int, np.ndarray]]:
    """Row and Delta of every response token, for the rows that have losses."""
    for row in losses.rows(neighbour):
        if row.each_given is not None and row.each_alone is not None:
            yield row.row, row.each_given - row.each_alone
