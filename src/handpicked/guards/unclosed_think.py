"""Responses in which the marks of a thought do not pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint, found_in
from handpicked.records.response_parts import MARKS, unpaired_mark


@dataclass(frozen=True)
class UnclosedThink(Lint):
    """Drops responses in which a mark such as ``<think>`` never closes, or closes without opening.

    Templates that open the thought in the prompt (DeepSeek-R1) give responses that only close it: leave this
    filter out for such data. Marks that are quoted inside a line do not count.
    """

    name: ClassVar[str] = "unclosed-think"
    about: ClassVar[str] = "drops responses in which <think> does not close, or closes without opening"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    fault: ClassVar[str] = "the marks of its thought do not pair"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in(batch["response"], MARKS, unpaired_mark)
