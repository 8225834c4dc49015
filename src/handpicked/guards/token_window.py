"""Responses that are too short or too long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from handpicked.errors import ConfigError
from handpicked.guards.drop import Drop, Limit
from handpicked.guards.guard import Guard
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.selectors.selector import Scores


@dataclass(frozen=True)
class TokenWindow(Guard):
    """Drops responses of fewer or more tokens. ``token-window=20:2048`` gives both bounds; either side may be
    empty.
    """

    low: Annotated[int, Field(ge=0)] | None = None
    """The fewest tokens that pass; None: any number."""
    high: Annotated[int, Field(ge=0)] | None = None
    """The most tokens that pass; None: any number."""
    tokenizer: str | None = None
    """What counts tokens; that of the selection by default."""

    name: ClassVar[str] = "token-window"
    about: ClassVar[str] = "drops responses outside MIN:MAX tokens"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    value: ClassVar[str] = "MIN:MAX"

    @classmethod
    def settings_in(cls, value: str) -> Mapping[str, object]:
        low, colon, high = value.partition(":")
        if value and not colon:
            raise ValueError(f"{value!r} is not a window. {_HOW}")
        return {name: bound for name, bound in (("low", low), ("high", high)) if bound}

    def check(self) -> None:
        if self.low is None and self.high is None:
            raise ConfigError(_HOW)

    @property
    def rule(self) -> str:
        most = "any number of" if self.high is None else self.high
        return f"its response has not {self.low or 0} to {most} tokens"

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        return (LengthTokens(self.tokenizer),)

    @property
    def window(self) -> tuple[float, float]:
        return self.low or 0, math.inf if self.high is None else self.high

    def make(self, scores: Scores) -> Drop:
        low, high = self.window
        return Limit(self.name, LengthTokens.name, self.rule, low=low, high=high)


_HOW = (
    "Give the fewest and the most tokens of a response, such as token-window=20:2048 (either may be empty)."
)
