"""A table in a terminal: aligned, or a block a row where it would be too wide."""

from __future__ import annotations

from handpicked.pages.table import Cell, markdown, table, text

TABLE = table("Arms", ["Arm", "By", "Rows"], [["base", "none", "–"], ["longest-1k", "longest", "1,000"]], 2)


def test_text_is_aligned_left_and_numbers_right():
    assert text(TABLE).splitlines() == [
        "Arms",
        "  Arm         By        Rows",
        "  base        none         –",
        "  longest-1k  longest  1,000",
    ]


def test_the_widest_line_that_fits_is_aligned_and_one_letter_less_is_not():
    wide = max(map(len, text(TABLE).splitlines()))
    assert text(TABLE, wide) == text(TABLE)
    assert text(TABLE, wide - 1).splitlines() == [
        "Arms",
        "  base",
        "    By    none",
        "    Rows  –",
        "  longest-1k",
        "    By    longest",
        "    Rows  1,000",
    ]


def test_foreign_text_stays_on_its_line_and_is_no_command():
    shown = text(table("T", ["Name", "n"], [[Cell("a\nb\x1b[31m", "note"), "1"]], 1))
    assert shown.splitlines()[2] == "  a b␛[31m (note)  1"


def test_no_rows_are_no_table_as_in_markdown():
    empty = table("T", ["Name"], [], 1)
    assert text(empty) == markdown(empty) == ""
