"""Responses that compress too well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from handpicked.guards.drop import Drop, Limit
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.compression import CompressionRatio
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class Compressibility(Guard):
    """Drops responses that zlib compresses by more than a factor: they say little for their length."""

    limit: Annotated[float, Field(gt=0)] = 4.0
    """The largest factor that passes. English prose compresses about 2 times."""

    name: ClassVar[str] = "compressibility"
    about: ClassVar[str] = "drops responses that compress to a smaller share of their size"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "limit"
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return f"it compresses more than {self.limit:g} times"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (CompressionRatio(),)

    def make(self, scores: Scores) -> Drop:
        return Limit(self.name, CompressionRatio.name, self.rule, high=self.limit)
