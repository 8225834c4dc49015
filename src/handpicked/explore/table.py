"""A table of columns in which rows are found: filtered, searched and sorted, with what was found last kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from handpicked.errors import ConfigError, did_you_mean
from handpicked.explore.columns import Category, Column, Condition, Number
from handpicked.explore.query import Query

T = TypeVar("T")
KEPT = 24
"""Masks and orders that are kept for the next question; a byte or eight a row each."""


@dataclass
class Table:
    """``rows`` rows with their columns. ``changing`` names a column whose values people change
    (notes) and gives a number that changes with them.
    """

    rows: int
    columns: dict[str, Column]
    changing: Callable[[], tuple[str, Hashable]] = lambda: ("", 0)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _known: OrderedDict[Hashable, np.ndarray] = field(default_factory=OrderedDict)

    def column(self, name: object) -> Column:
        """The column of this name. Raises ConfigError where there is none."""
        found = self.columns.get(name) if isinstance(name, str) else None
        if found is None:
            raise ConfigError(f"There is no column '{name}'.{did_you_mean(str(name), self.columns)}")
        return found

    def number(self, name: object) -> Number:
        """The column of numbers of this name. Raises ConfigError where there is none."""
        return self._of(Number, name, "numbers")

    def category(self, name: object) -> Category:
        """The column of few values of this name. Raises ConfigError where there is none."""
        return self._of(Category, name, "categories")

    def _of(self, kind: type[T], name: object, kind_name: str) -> T:
        found = self.column(name)
        if not isinstance(found, kind):
            raise ConfigError(f"{name} is a {found.kind}; this needs a column of {kind_name}.")
        return found

    def mask(self, query: Query) -> np.ndarray | None:
        """Which rows the query finds (boolean); ``None``: all."""
        if not query.search and not query.where:
            return None
        found = np.ones(self.rows, bool)
        if query.search:
            found &= self._kept(("search", query.search, query.within), lambda: self._search(query))
        for condition in query.where:
            one = self._condition(condition)
            found &= ~one if condition.exclude else one
        return found

    def found(self, query: Query) -> np.ndarray:
        """The rows (int64) that the query finds, in its order."""
        view = (query, self.changing()[1])
        return self._kept(("found", view), lambda: self._found(query))

    def _found(self, query: Query) -> np.ndarray:
        mask = self.mask(query)
        if query.sort is None:
            if mask is not None:
                return np.flatnonzero(mask)[:: -1 if query.descending else 1]
            return np.arange(self.rows)[:: -1 if query.descending else 1]
        column = self.column(query.sort)
        name, version = self.changing()
        key = ("order", query.sort, query.descending, version if query.sort == name else 0)
        order = self._kept(key, lambda: column.order(query.descending))
        return order if mask is None else order[mask[order]]

    def _search(self, query: Query) -> np.ndarray:
        parts = [self.column(name).mask(Condition(name, contains=query.search)) for name in query.within]
        found: np.ndarray = np.logical_or.reduce(parts)
        return found

    def _condition(self, condition: Condition) -> np.ndarray:
        column = self.column(condition.column)
        name, version = self.changing()
        key = ("mask", condition, version if condition.column == name else 0)
        return self._kept(key, lambda: column.mask(condition))

    def _kept(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """What was made for this key before, or is made now: one at a time, since it takes all cores."""
        with self._lock:
            if key not in self._known:
                made = make()
                made.setflags(write=False)
                self._known[key] = made
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]


def unique_names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names for columns that differ from those taken and from each other."""
    found: list[str] = []
    for name in wanted:
        free, number = name, 2
        while free in taken or free in found:
            free, number = f"{name} ({number})", number + 1
        found.append(free)
    return found
