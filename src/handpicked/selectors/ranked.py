"""The rows with the highest or lowest value of one column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handpicked.selectors.selector import Scores
from handpicked.selectors.topk import TopK, id_numbers, numbers


def take_top(
    scores: Scores, column: str, size: int, highest: bool, ceiling: float | None = None
) -> np.ndarray[Any, Any]:
    """The ``size`` rows with the highest (or lowest) value of ``column``; rows without a value, or over ``ceiling``, never win.

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
class Longest:
    """The longest responses by ``measure`` (Shen, 2024, Rethinking Data Selection for Supervised Fine-Tuning)."""

    measure: str = "tokens"
    name: ClassVar[str] = "longest"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.measure,)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        return take_top(scores, self.measure, size, highest=True)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} longest"


@dataclass(frozen=True)
class Shortest:
    """The shortest responses by ``measure``: the control that shows whether length matters at all."""

    measure: str = "tokens"
    name: ClassVar[str] = "shortest"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.measure,)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        return take_top(scores, self.measure, size, highest=False)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} shortest"


@dataclass(frozen=True)
class Top:
    """The highest values of ``column``, a score or a numeric field of the pool; none over ``ceiling``, where there is one."""

    column: str
    ceiling: float | None = None
    name: ClassVar[str] = "top"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        return take_top(scores, self.column, size, highest=True, ceiling=self.ceiling)

    def why_not(self, size: int) -> str:
        limit = "" if self.ceiling is None else f" that are not over {self.ceiling:g}"
        return f"not among the {size:,} highest by {self.column}{limit}"


@dataclass(frozen=True)
class Bottom:
    """The lowest values of ``column``, a score or a numeric field of the pool."""

    column: str
    name: ClassVar[str] = "bottom"
    version: ClassVar[int] = 1  # raise it when other rows are chosen
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def select(self, scores: Scores, size: int) -> np.ndarray[Any, Any]:
        return take_top(scores, self.column, size, highest=False)

    def why_not(self, size: int) -> str:
        return f"not among the {size:,} lowest by {self.column}"
