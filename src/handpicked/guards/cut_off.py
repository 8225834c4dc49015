"""Responses that end in mid-sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from handpicked.guards.drop import Drop, Limit
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.ending import CutOff
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class EndsCutOff(Guard):
    """Drops responses that end in the middle of a sentence; verse, lists, tables and code pass."""

    name: ClassVar[str] = "cut-off"
    about: ClassVar[str] = "drops responses that end in mid-sentence"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    audited: ClassVar[bool] = True

    @property
    def rule(self) -> str:
        return "it ends in mid-sentence"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (CutOff(),)

    def make(self, scores: Scores) -> Drop:
        return Limit(self.name, CutOff.name, self.rule, high=0)
