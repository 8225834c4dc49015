"""Responses that repeat themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from handpicked.guards.drop import Drop, Limit
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.repetition import RepeatedNgrams
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class Repetition(Guard):
    """Drops responses with too many repeated 5-grams of words.

    The repetition filter of Rae et al. (2021), Scaling Language Models (Gopher), Table A1.
    """

    limit: Annotated[float, Field(ge=0, le=1)] = 0.30
    """The largest share of repeated 5-grams that passes, 0 to 1."""

    name: ClassVar[str] = "repetition"
    about: ClassVar[str] = "drops responses with a larger share of repeated 5-grams (default 0.30)"
    source: ClassVar[str] = "Gopher, Rae et al. 2021, arXiv 2112.11446"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "limit"
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return f"more than {self.limit:.0%} of its 5-grams are repeats"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (RepeatedNgrams(),)

    def make(self, scores: Scores) -> Drop:
        return Limit(self.name, RepeatedNgrams.name, self.rule, high=self.limit)
