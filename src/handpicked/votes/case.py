"""A pair that people vote on, and which answer each annotator sees first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from handpicked.records import Pair, Verdict

Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Case:
    """A pair and every judge's verdict on it, the main judge's first.

    ``id`` is the hash of the arms, the prompt and both answers: a vote joins on it, so that it can never be
    counted for answers that were generated again and have changed.
    """

    pair: Pair
    verdicts: tuple[Verdict, ...] = ()
    id: str = field(init=False)

    def __post_init__(self) -> None:
        pair = self.pair
        object.__setattr__(
            self, "id", _hash(pair.prompt_id, pair.a, pair.b, pair.prompt, pair.answer_a, pair.answer_b)
        )

    @property
    def longer(self) -> Side | None:
        """The side whose answer has more characters, by more than a fifth of the longer one; else ``None``."""
        a, b = len(self.pair.answer_a), len(self.pair.answer_b)
        if abs(a - b) <= max(a, b) / 5:
            return None
        return "a" if a > b else "b"


def shown_first(case: Case, annotator: str, seed: int) -> Side:
    """Which side this annotator sees first: a fixed random choice for each pair and annotator."""
    return "a" if int(_hash(str(seed), annotator, case.id), 16) % 2 else "b"


def order_key(case: Case, seed: int) -> str:
    """A seeded random place among others, which does not depend on their order."""
    return _hash(str(seed), case.id)


def _hash(*parts: str) -> str:
    """16 hex digits of the texts, each framed as a netstring so that no two lists of texts share their bytes."""
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:%b," % (len(raw), raw))
    return hashed.hexdigest()
