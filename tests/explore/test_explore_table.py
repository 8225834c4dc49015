"""Filters, searches and orders find exactly the rows that plain Python finds."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.errors import ConfigError
from handpicked.explore.columns import Category, Condition, Number, Text
from handpicked.explore.query import Query, query_of
from handpicked.explore.table import Table, unique_names

VALUES = st.one_of(st.none(), st.sampled_from([-1.5, 0.0, 1.0, 2.0]), st.floats(-5, 5, width=32))
WORDS = st.one_of(st.none(), st.text("aBéß.*% \n", max_size=6))
KINDS = st.sampled_from([None, "b", "a", "Ä"])
ROWS = st.lists(st.tuples(VALUES, WORDS, KINDS), min_size=1, max_size=40)


def table(rows) -> Table:
    numbers = np.array([math.nan if number is None else number for number, _, _ in rows])
    texts = [text for _, text, _ in rows]
    kinds = sorted({kind for *_, kind in rows if kind is not None})
    codes = np.array([-1 if kind is None else kinds.index(kind) for *_, kind in rows], np.int32)
    chunks = [pa.array(texts[at : at + 7], pa.large_string()) for at in range(0, len(texts), 7)]
    columns = [
        Number("n", lambda: numbers),
        Text("prompt", lambda: chunks),
        Text("response", lambda: chunks),
        Category("kind", lambda: (codes, kinds)),
    ]
    return Table(len(rows), {column.name: column for column in columns})


@given(ROWS, VALUES, VALUES, st.booleans())
def test_a_range_and_its_contrary_are_all_rows(rows, low, high, exclude):
    if low is None and high is None:
        return
    found = table(rows).found(Query(where=(Condition("n", low, high, exclude=exclude),))).tolist()
    inside = [
        number is not None and (low is None or number >= low) and (high is None or number <= high)
        for number, _, _ in rows
    ]
    assert found == [row for row, there in enumerate(inside) if there != exclude]


@given(ROWS, st.text("aBéß.*%", min_size=1, max_size=3))
def test_a_search_is_literal_and_blind_to_case(rows, word):
    found = set(table(rows).found(Query(search=word)).tolist())
    sure = {row for row, (_, text, _) in enumerate(rows) if text is not None and word in text}
    least = {
        row for row, (_, text, _) in enumerate(rows) if text is not None and word.lower() in text.lower()
    }
    assert sure <= found and found == least


@given(ROWS, st.booleans(), st.sampled_from(["n", "prompt", "kind"]))
def test_an_order_is_total_and_puts_rows_without_a_value_last(rows, descending, column):
    place = {"n": 0, "prompt": 1, "kind": 2}[column]
    found = table(rows).found(Query(sort=column, descending=descending)).tolist()
    key = (lambda value: value.encode()) if place else (lambda value: value)
    known = sorted({row[place] for row in rows if row[place] is not None}, key=key, reverse=descending)
    expected = [row for value in known for row, one in enumerate(rows) if one[place] == value]
    assert found == expected + [row for row, one in enumerate(rows) if one[place] is None]


@given(ROWS, st.sets(st.sampled_from(["a", "b", "Ä"]), min_size=1))
def test_values_of_a_category(rows, wanted):
    known = {kind for *_, kind in rows}
    there = table(rows)
    if not wanted <= known:
        with pytest.raises(ConfigError, match="no row is"):
            there.found(Query(where=(Condition("kind", values=tuple(wanted)),)))
        return
    found = there.found(Query(where=(Condition("kind", values=tuple(wanted)),))).tolist()
    assert found == [row for row, (*_, kind) in enumerate(rows) if kind in wanted]


@pytest.mark.parametrize("column", ["n", "prompt", "kind"])
def test_missing_values_are_counted_as_such(column):
    there = table([(None, None, None), (1.0, "x", "a"), (None, "y", "b")])
    none = there.found(Query(where=(Condition(column, missing=True),))).tolist()
    assert none == {"n": [0, 2], "prompt": [0], "kind": [0]}[column]
    some = there.found(Query(where=(Condition(column, missing=False),))).tolist()
    assert sorted(none + some) == [0, 1, 2]


def test_conditions_search_and_order_together():
    rows = [(float(i % 5), f"row {i}", "ab"[i % 2]) for i in range(20)]
    query = Query("ROW 1", ("prompt",), (Condition("n", low=2), Condition("kind", values=("b",))), "n", True)
    assert table(rows).found(query).tolist() == [19, 13, 17]


def test_what_was_found_before_is_not_changed_by_whoever_got_it():
    there = table([(1.0, "x", "a")] * 3)
    with pytest.raises(ValueError, match="read-only"):
        there.found(Query(sort="n"))[0] = 7


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Condition("n", values=("a",)), "does not support this filter"),
        (Condition("n", contains="a"), "does not support this filter"),
        (Condition("prompt", low=1), "does not support this filter"),
        (Condition("kind", high=1), "does not support this filter"),
        (Condition("kind"), "needs a range"),
        (Condition("kind", values=("c",)), "no row is 'c'"),
        (Condition("knid", values=("a",)), "Did you mean 'kind'"),
    ],
)
def test_a_condition_that_does_not_fit_its_column_is_refused(condition, message):
    with pytest.raises(ConfigError, match=message):
        table([(1.0, "x", "a")]).found(Query(where=(condition,)))


@pytest.mark.parametrize(
    "asked",
    [
        {"where": {}},
        {"where": [1]},
        {"where": [{"column": 1}]},
        {"where": [{"column": "n", "lwo": 1}]},
        {"where": [{"column": "n", "low": "1"}]},
        {"where": [{"column": "n", "low": True}]},
        {"where": [{"column": "n", "low": float("nan")}]},
        {"where": [{"column": "n", "low": 10**400}]},
        {"where": [{"column": "kind", "values": "a"}]},
        {"where": [{"column": "kind", "values": [1]}]},
        {"where": [{"column": "n", "low": 1}] * 51},
        {"search": 1},
        {"search": "x" * 1001},
        {"search": "\ud800"},
        {"within": "all"},
        {"sort": ["n"]},
    ],
)
def test_a_request_that_is_no_query_is_refused(asked):
    with pytest.raises(ConfigError):
        query_of(asked)


def test_names_of_columns_never_meet():
    assert unique_names(["tokens", "tokens", "new"], ["tokens", "tokens (2)"]) == [
        "tokens (3)",
        "tokens (4)",
        "new",
    ]
