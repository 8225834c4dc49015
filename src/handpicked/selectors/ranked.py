"""The rows with the highest or lowest value of one column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypedDict

import numpy as np

from handpicked.config import Measure
from handpicked.errors import ConfigError
from handpicked.method import called
from handpicked.selectors.selector import Extreme, Scores, Selector
from handpicked.selectors.topk import TopK, id_numbers, numbers


def take_top(
    scores: Scores, column: str, size: int, highest: bool, ceiling: float | None = None
) -> np.ndarray:
    """The ``size`` rows with the highest (or lowest) value of ``column``; rows without a value, or
    over ``ceiling``, never win.

    Raises:
        ConfigError: the column does not hold numbers.
    """
    top = TopK(np.array([size]))
    for batch in scores.batches((column,)):
        keys = numbers(batch[column], column)
        valued = ~np.isnan(keys) if ceiling is None else keys <= ceiling
        high, low = (part[valued] for part in id_numbers(batch["id"]))
        rows = batch["row"].to_numpy()[valued]
        keys = keys[valued] if highest else -keys[valued]
        top.add(np.zeros(len(rows), np.int64), keys, (high, low), rows)
    return top.rows()


@dataclass(frozen=True)
class Longest(Selector):
    """The longest responses by ``measure`` (Shen, 2024, Rethinking Data Selection
    for Supervised Fine-Tuning).
    """

    measure: Measure = "tokens"
    """What a length is counted in."""
    name: ClassVar[str] = "longest"
    about: ClassVar[str] = "the rows with the longest responses"
    source: ClassVar[str] = "Shen 2024, arXiv 2402.06094"
    version: ClassVar[int] = 1  # raise it when other rows are chosen

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.measure,)

    @property
    def extreme(self) -> Extreme:
        """See ``Selector``."""
        return Extreme(self.measure, highest=True)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        return take_top(scores, self.measure, size, highest=True)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} longest"


@dataclass(frozen=True)
class Shortest(Selector):
    """The shortest responses by ``measure``: the control that shows whether length matters at all."""

    measure: Measure = "tokens"
    """What a length is counted in."""
    name: ClassVar[str] = "shortest"
    about: ClassVar[str] = "the rows with the shortest responses"
    version: ClassVar[int] = 1  # raise it when other rows are chosen

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.measure,)

    @property
    def extreme(self) -> Extreme:
        """See ``Selector``."""
        return Extreme(self.measure, highest=False)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        return take_top(scores, self.measure, size, highest=False)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} shortest"


@dataclass(frozen=True)
class Top(Selector):
    """The highest values of ``column``, a score or a numeric field of the pool; none over
    ``ceiling``, where there is one.
    """

    column: str = field(metadata=called("field"))
    """The scorer, or the field of the pool, whose highest values win."""
    ceiling: float | None = None
    """The highest value that counts. None: what the scorer says (IFD: 1); ``.inf``: there is none."""
    name: ClassVar[str] = "top"
    about: ClassVar[str] = "the rows with the highest value of a column (field)"
    version: ClassVar[int] = 1  # raise it when other rows are chosen

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def extreme(self) -> Extreme | None:
        """See ``Selector``. Rows over a ceiling are known only when rows are chosen."""
        return Extreme(self.column, highest=True) if self.ceiling is None else None

    @property
    def ranks_by(self) -> str:
        """See ``Selector``."""
        return self.column

    @property
    def leaves_out(self) -> str:
        """See ``Selector``."""
        return "are outside of what it chooses from" if self.ceiling is None else f"are over {self.ceiling:g}"

    def directed(self, highest: bool | None, ceiling: float | None) -> Top:
        """See ``Selector``: the end is fixed, the ceiling may be the scorer's."""
        del highest
        limit = ceiling if self.ceiling is None else self.ceiling
        return replace(self, ceiling=None if limit == math.inf else limit)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        return take_top(scores, self.column, size, highest=True, ceiling=self.ceiling)

    def why_not(self, size: int) -> str:
        limit = "" if self.ceiling is None else f" that are not over {self.ceiling:g}"
        return f"not among the {size:,} highest by {self.column}{limit}"


@dataclass(frozen=True)
class Bottom(Selector):
    """The lowest values of ``column``, a score or a numeric field of the pool."""

    column: str = field(metadata=called("field"))
    """The scorer, or the field of the pool, whose lowest values win."""
    name: ClassVar[str] = "bottom"
    about: ClassVar[str] = "the rows with the lowest value of a column (field)"
    version: ClassVar[int] = 1  # raise it when other rows are chosen

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def extreme(self) -> Extreme:
        """See ``Selector``."""
        return Extreme(self.column, highest=False)

    def select(self, scores: Scores, size: int) -> np.ndarray:
        return take_top(scores, self.column, size, highest=False)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} lowest by {self.column}"


class End(TypedDict):
    """The better end of a column as a selector has it."""

    highest: bool | None
    ceiling: float | None


def quality_end(
    name: str,
    column: str | None,
    highest: bool | None,
    ceiling: float | None,
    better: bool | None,
    limit: float | None,
) -> End:
    """``highest`` and ``ceiling`` of a selector, from what the user set, else from what the scorer
    says (``better``, ``limit``).

    Raises:
        ConfigError: neither says which end of the column is the better one.
    """
    if column is not None and highest is None and better is None:
        raise ConfigError(
            f"field: '{column}' does not say which end is better, so '{name}' "
            "cannot rank by it. Set "
            "highest: true or highest: false."
        )
    counts = limit if ceiling is None else ceiling
    return End(highest=better if highest is None else highest, ceiling=None if counts == math.inf else counts)
