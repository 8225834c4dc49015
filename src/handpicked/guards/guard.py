"""The contract of a guard: a filter that drops rows before a selection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from handpicked.guards.drop import Drop
from handpicked.method import Method
from handpicked.scorers.scorer import Scorer
from handpicked.selectors.selector import Scores


class Guard(Method, ABC):
    """Drops rows by their score columns. A frozen dataclass; its fields are its settings.

    What it looks at is computed by its ``scorers``, batch by batch; then ``make`` says which rows go. Raise
    ``version`` when it drops other rows by the same scores, and only then; its scorers state their own.
    """

    value: ClassVar[str] = ""
    """The setting that ``name=value`` gives; empty: it takes no value."""
    audited: ClassVar[bool] = False
    """Whether audits count the rows that it would drop with its defaults, even where it is off."""

    @classmethod
    def settings_in(cls, value: str) -> Mapping[str, object]:
        """The settings that ``name=value`` gives.

        Raises:
            ValueError: it takes no such value.
        """
        if not value:
            return {}
        if not cls.value:
            raise ValueError("it takes no value.")
        return {cls.value: value}

    @property
    @abstractmethod
    def rule(self) -> str:
        """Why a row is dropped, as a clause about the row: "it ends in mid-sentence"."""

    @property
    def scorers(self) -> tuple[Scorer, ...]:
        """What computes the columns that it looks at."""
        return ()

    @property
    def identity(self) -> str:
        """The hash of what it reads besides the pool."""
        return ""

    @property
    def window(self) -> tuple[float, float] | None:
        """The fewest and the most tokens of a response that passes, where it bounds them."""
        return None

    def check(self) -> None:
        """Checks that need no scores.

        Raises:
            ConfigError: it lacks something that the user must name. MissingPart: something must be installed.
        """

    @abstractmethod
    def make(self, scores: Scores) -> Drop:
        """Which rows go, once the pool is scored. ``scores`` are those of the rows that the guards before it
        let through.
        """
