"""The best of several answers to each prompt, as rejection sampling and best-of-n data are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from handpicked.config import Measure
from handpicked.method import called
from handpicked.selectors.ranked import quality_end
from handpicked.selectors.selector import Scores, Selector, SizeRule
from handpicked.selectors.topk import id_numbers, numbers

PROMPT = "prompt_hash"
"""The column that is equal for the answers to one prompt."""


@dataclass(frozen=True)
class BestResponse(Selector):
    """One row for each prompt: that with the highest (or lowest) ``column`` among the rows
    with the same prompt text.

    Equal values go by id, then row. With a size fewer than the prompts, those whose best answer has the best
    value. A row without a value, or over ``ceiling``, never wins; a prompt whose rows all have none is left
    out. Memory: 48 bytes a row.
    """

    column: str | None = field(default=None, metadata=called("field"))
    """The scorer, or the field of the pool, by which answers are compared. None: their length by ``measure``.
    """
    highest: bool | None = None
    """Whether the highest values are the best. None: what the scorer says, for a
    field of the pool the highest.
    """
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    measure: Measure = "tokens"
    """What a length is counted in."""
    name: ClassVar[str] = "best-response"
    about: ClassVar[str] = "the best answer to each prompt, by a length or a column (field)"
    source: ClassVar[str] = "as in rejection sampling: Touvron et al. 2023, arXiv 2307.09288"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    @property
    def ranked(self) -> str:
        """The column by which answers are compared."""
        return self.measure if self.column is None else self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """The hash of the prompt, and what answers are compared by."""
        return (PROMPT, self.ranked)

    @property
    def length_columns(self) -> tuple[str, ...]:
        """See ``Selector``. The hash is computed even if the pool has a field of that name."""
        return (PROMPT, self.measure) if self.column is None else (PROMPT,)

    @property
    def size_rule(self) -> SizeRule:
        """Without a size the best answer to every prompt is kept."""
        return "optional"

    @property
    def ranks_by(self) -> str | None:
        """See ``Selector``."""
        return self.column

    def directed(self, highest: bool | None, ceiling: float | None) -> BestResponse:
        """See ``Selector``."""
        end = quality_end(self.name, self.column, self.highest, self.ceiling, highest, ceiling)
        return replace(self, **end)

    @property
    def leaves_out(self) -> str:
        """See ``Selector``."""
        return "answer a prompt to which another answer is better, because it keeps one answer a prompt"

    def select(self, scores: Scores, size: int) -> np.ndarray:
        """The best row of each prompt, ascending; ``size`` of them at most."""
        parts = [self._offered(batch) for batch in scores.batches(self.columns) if len(batch)]
        if not parts:
            return np.empty(0, np.int64)
        keys, *others, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
        prompt_high, prompt_low, high, low = others
        order = np.lexsort((rows, low, high, -keys, prompt_low, prompt_high))
        first = np.ones(len(order), bool)
        first[1:] = (np.diff(prompt_high[order].view(np.int64)) != 0) | (
            np.diff(prompt_low[order].view(np.int64)) != 0
        )
        best = order[first]
        ranked = best[np.lexsort((rows[best], low[best], high[best], -keys[best]))]
        return np.sort(rows[ranked[:size]])

    def why_not(self, size: int) -> str:
        """The reason given to a row that could have been chosen and was not."""
        return f"another answer to its prompt has a better {self.ranked}, or {size:,} prompts have better answers"

    def _offered(self, batch: pa.RecordBatch) -> tuple[np.ndarray, ...]:
        """Of the rows that may win: key (higher is better), hash of the prompt and
        id (two numbers each), row.
        """
        keys = numbers(batch[self.ranked], self.ranked)
        valued = ~np.isnan(keys) if self.ceiling is None else keys <= self.ceiling
        keys = keys if self.highest is not False else -keys
        columns = (keys, *id_numbers(batch[PROMPT]), *id_numbers(batch["id"]), batch["row"].to_numpy())
        return tuple(column[valued] for column in columns)
