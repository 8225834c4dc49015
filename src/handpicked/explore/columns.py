"""Columns of a table that rows are filtered, sorted and counted by: numbers, categories and texts.

Each is loaded at first use. Numbers and categories are arrays of NumPy; texts stay in the
memory-mapped file and are searched there by Arrow.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handpicked.errors import ConfigError, did_you_mean

Kind = Literal["number", "category", "text"]
WORKERS = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="search")


@dataclass(frozen=True)
class Condition:
    """What a row must satisfy in one column. Only the fields that are set count; ``exclude`` inverts it.

    ``low`` and ``high`` (both included) are for numbers, ``values`` for categories, ``contains`` (ignoring
    case) for texts; ``missing`` is true for rows without a value, false for rows with one.
    """

    column: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] | None = None
    contains: str | None = None
    missing: bool | None = None
    exclude: bool = False


class Column(Protocol):
    """A value of each row. ``about`` is its unit or what it says."""

    kind: ClassVar[Kind]

    name: str
    about: str

    def mask(self, condition: Condition) -> np.ndarray:
        """Which rows satisfy the condition (boolean). Raises ConfigError for one of another kind."""
        ...

    def order(self, descending: bool) -> np.ndarray:
        """All rows in the order of their values, equal ones by row, those without a value last."""
        ...

    def shown(self, rows: np.ndarray) -> list[object]:
        """The values of these rows for JSON; None where there is none."""
        ...

    def same(self, other: Column) -> bool:
        """Whether every row has the same value in both."""
        ...


@dataclass
class Number:
    """Numbers, float64, NaN where there is no value."""

    kind: ClassVar[Kind] = "number"
    name: str
    load: Callable[[], np.ndarray]
    about: str = ""
    one: Callable[[int], float | None] | None = None
    """The value of one row, where that takes less than loading all."""

    @cached_property
    def values(self) -> np.ndarray:
        """The number of each row."""
        return self.load()

    @cached_property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        known = self.values[np.isfinite(self.values)]
        return bool((known == np.rint(known)).all())

    def mask(self, condition: Condition) -> np.ndarray:
        """See ``Column``."""
        _allow(self, condition, condition.values, condition.contains)
        if condition.missing is not None:
            none: np.ndarray = np.isnan(self.values) == condition.missing
            return none
        low = -np.inf if condition.low is None else condition.low
        high = np.inf if condition.high is None else condition.high
        found: np.ndarray = (self.values >= low) & (self.values <= high)
        return found

    def order(self, descending: bool) -> np.ndarray:
        """See ``Column``."""
        found: np.ndarray = np.argsort(-self.values if descending else self.values, kind="stable")
        return found

    def same(self, other: Column) -> bool:
        """See ``Column``."""
        return isinstance(other, Number) and np.array_equal(self.values, other.values, equal_nan=True)

    def shown(self, rows: np.ndarray) -> list[object]:
        """See ``Column``. Infinite values are given as text."""
        if self.one is not None and "values" not in self.__dict__:
            return [self.one(row) for row in rows.tolist()]
        return [number(value) for value in self.values[rows].tolist()]


def number(value: float) -> float | str | None:
    """A number for JSON, which knows neither NaN nor infinity."""
    return None if np.isnan(value) else value if np.isfinite(value) else str(value)


@dataclass
class Category:
    """Few different texts. ``codes`` are int32 places in ``texts``, -1 where there is no value."""

    kind: ClassVar[Kind] = "category"
    name: str
    load: Callable[[], tuple[np.ndarray, Sequence[str]]]
    about: str = ""
    one: Callable[[int], str | None] | None = None
    """The value of one row, where that takes less than loading all."""

    @cached_property
    def _loaded(self) -> tuple[np.ndarray, Sequence[str]]:
        return self.load()

    @property
    def codes(self) -> np.ndarray:
        """The place of each row's value."""
        return self._loaded[0]

    @property
    def texts(self) -> Sequence[str]:
        """The different values."""
        return self._loaded[1]

    def counts(self, mask: np.ndarray | None = None) -> list[int]:
        """How many rows (of ``mask``) have each of ``texts``, and last how many have none."""
        codes = self.codes if mask is None else self.codes[mask]
        counts = np.bincount(codes + 1, minlength=len(self.texts) + 1).tolist()
        return [*counts[1:], counts[0]]

    def mask(self, condition: Condition) -> np.ndarray:
        """See ``Column``."""
        _allow(self, condition, condition.low, condition.high)
        if condition.missing is not None:
            found: np.ndarray = (self.codes < 0) == condition.missing
            return found
        if condition.values is not None:
            known = {text: code for code, text in enumerate(self.texts)}
            unknown = [value for value in condition.values if value not in known]
            if unknown:
                raise ConfigError(f"{self.name}: no row is '{unknown[0]}'.{did_you_mean(unknown[0], known)}")
            wanted = np.array([value in condition.values for value in self.texts])
        else:
            part = (condition.contains or "").casefold()
            wanted = np.array([part in text.casefold() for text in self.texts])
        of_rows: np.ndarray = np.append(wanted, False)[self.codes]
        return of_rows

    def order(self, descending: bool) -> np.ndarray:
        """See ``Column``."""
        places = np.empty(len(self.texts) + 1, np.int32)
        places[np.array(sorted(range(len(self.texts)), key=lambda code: self.texts[code]), int)] = np.arange(
            len(self.texts)
        )
        if descending:
            places = len(self.texts) - 1 - places
        places[-1] = len(self.texts)
        found: np.ndarray = np.argsort(places[self.codes], kind="stable")
        return found

    def same(self, other: Column) -> bool:
        """See ``Column``."""
        if not isinstance(other, Category) or set(self.texts) != set(other.texts):
            return False
        places = {text: code for code, text in enumerate(self.texts)}
        moved = np.array([*(places[text] for text in other.texts), -1], np.int32)
        return np.array_equal(self.codes, moved[other.codes])

    def shown(self, rows: np.ndarray) -> list[object]:
        """See ``Column``."""
        if self.one is not None and "_loaded" not in self.__dict__:
            return [self.one(row) for row in rows.tolist()]
        return [None if code < 0 else self.texts[code] for code in self.codes[rows].tolist()]


@dataclass
class Text:
    """Texts that differ from row to row, in chunks of large_string."""

    kind: ClassVar[Kind] = "text"
    name: str
    load: Callable[[], Sequence[pa.Array]]
    about: str = ""
    longest: int = 300
    """Letters of a text that are shown."""

    @cached_property
    def chunks(self) -> Sequence[pa.Array]:
        """The texts, batch by batch."""
        return self.load()

    @cached_property
    def _begins(self) -> list[int]:
        return [0, *accumulate(map(len, self.chunks))]

    def mask(self, condition: Condition) -> np.ndarray:
        """See ``Column``. Chunks are searched side by side."""
        _allow(self, condition, condition.low, condition.high, condition.values)
        if condition.missing is not None:
            none: np.ndarray = _joined([pc.is_null(chunk) for chunk in self.chunks]) == condition.missing
            return none
        part = condition.contains or ""

        def search(chunk: pa.Array) -> pa.Array:
            return pc.fill_null(pc.match_substring(chunk, part, ignore_case=True), False)

        return _joined(list(WORKERS.map(search, self.chunks)))

    def order(self, descending: bool) -> np.ndarray:
        """See ``Column``."""
        keys = pa.chunked_array(self.chunks, pa.large_string())
        table = pa.table({"text": keys, "row": np.arange(len(keys))})
        direction = "descending" if descending else "ascending"
        order = pc.sort_indices(table, sort_keys=[("text", direction), ("row", "ascending")])
        found: np.ndarray = order.to_numpy().astype(np.int64)
        return found

    def shown(self, rows: np.ndarray) -> list[object]:
        """See ``Column``. The beginnings of the texts."""
        return [None if (text := self.whole(row)) is None else text[: self.longest] for row in rows.tolist()]

    def same(self, other: Column) -> bool:
        """See ``Column``."""
        return isinstance(other, Text) and pa.chunked_array(self.chunks).equals(
            pa.chunked_array(other.chunks)
        )

    def whole(self, row: int) -> str | None:
        """One whole text, by its position."""
        number = bisect_right(self._begins, row) - 1
        text: str | None = self.chunks[number][row - self._begins[number]].as_py()
        return text


def _joined(chunks: Sequence[pa.Array]) -> np.ndarray:
    if not chunks:
        return np.zeros(0, bool)
    return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in chunks])


def _allow(column: Column, condition: Condition, *foreign: object) -> None:
    """Raises ConfigError where a condition asks for what this kind of column does not have, or nothing."""
    if any(value is not None for value in foreign):
        raise ConfigError(f"{column.name} is a {column.kind}: it does not support this filter.")
    limits = (condition.low, condition.high, condition.values, condition.contains, condition.missing)
    if all(value is None for value in limits):
        raise ConfigError(f"{column.name}: the filter needs a range, values, a text or 'missing'.")
