"""A table is defined once: the page and report.md say the same cells under the same heads."""

from __future__ import annotations

import re
from html import unescape

import pytest

from handpicked.pages.table import Cell, Table, markdown, table
from handpicked.report import render
from handpicked.report.markdown import render_markdown
from handpicked.report.selected_tables import correlation_table, difference_table, overlap_table
from handpicked.report.tables import comparison_table, size_table, stage_table, training_table
from made_run import usual


def shared() -> list[Table]:
    audit = usual().audit
    assert audit is not None
    of_run = [make(usual()) for make in (comparison_table, training_table, stage_table)]
    return [*of_run, difference_table(audit), correlation_table(audit), overlap_table(audit)]


@pytest.mark.parametrize("one", shared(), ids=lambda one: one.title)
def test_the_page_and_the_short_report_say_the_same_cells(one: Table) -> None:
    page, short = render(usual()), render_markdown(usual())
    assert markdown(one) in short
    shown = [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", page)
    ]
    assert [column.head for column in one.columns] in shown
    for row in one.rows:
        assert [f"{cell.text} {cell.note}".strip() for cell in row] in shown


def test_every_row_has_a_cell_for_every_column() -> None:
    for one in (*shared(), size_table(usual())):
        assert {len(row) for row in one.rows} <= {len(one.columns)}


def test_notes_are_in_brackets_and_foreign_text_stays_text() -> None:
    text = markdown(table("T", ["A", "B"], [["<b>|", Cell("1", "0 to 2")]], 1))
    assert text.splitlines()[2:] == ["| A | B |", "| --- | --: |", r"| \<b\>\| | 1 (0 to 2) |"]
    assert markdown(table("T", ["A"], [], 1)) == ""
