"""Responses with an empty thought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.guards.lint import Lint, found_in
from handpicked.records.response_parts import MARKED, is_empty_thought


@dataclass(frozen=True)
class EmptyThought(Lint):
    """Drops responses that begin with the marks of a thought and nothing between them, such as
    ``<think></think>``. A model learns from them not to think.

    Qwen3 writes such a mark on purpose where it is not to think.
    """

    name: ClassVar[str] = "empty-thought"
    about: ClassVar[str] = "drops responses that begin with an empty thought"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True
    fault: ClassVar[str] = "its thought is empty"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in(
            batch["response"], MARKED, lambda text: "an empty thought" if is_empty_thought(text) else None
        )
