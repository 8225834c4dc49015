"""Response length in tokens, the measure of Rethinking Data Selection for SFT (arXiv 2402.06094)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.records import Better
from handpicked.scorers.scorer import Scorer
from handpicked.tokens.tokenizer import load_counter


@dataclass(frozen=True)
class LengthTokens(Scorer):
    """Tokens of the response under ``tokenizer`` (see ``load_counter``; ``None`` is the bundled one).

    No begin-of-text or end-of-text token is added or counted; a special token spelled out
    in the text counts as one.
    """

    tokenizer: str | None = None
    """A Hugging Face name, a folder, a tokenizer.json or a SentencePiece .model. None: the bundled one."""

    name: ClassVar[str] = "tokens"
    about: ClassVar[str] = "tokens of a tokenizer, by default SmolLM2's, which needs no network"
    unit: ClassVar[str] = "tokens"
    better: ClassVar[Better] = "high"
    measure: ClassVar[bool] = True
    version: ClassVar[int] = 1  # raise it when a value changes
    libraries: ClassVar[tuple[str, ...]] = ("gigatoken", "sentencepiece", "tokenizers")

    @property
    def recorded(self) -> dict[str, object]:
        """The identity of the tokenizer."""
        return {"tokenizer": load_counter(self.tokenizer).identity.as_dict()}

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        return load_counter(self.tokenizer).count(batch["response"])
