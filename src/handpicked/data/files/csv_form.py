"""How a CSV is written, by its beginning: its header, its separator, and what its quotes are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LEFT = re.compile(r' +"[^"].*"', re.DOTALL)
"""A field with quotes around it, which a space before them made letters."""


@dataclass(frozen=True)
class CsvForm:
    """``delimiter`` separates the fields, which may be in quotes where ``quoted``. A quote in one has another
    before it, or a backslash where ``escaped`` (MySQL, Spark). Where ``spaced``, a space may follow a delimiter.
    """

    delimiter: str = ","
    quoted: bool = True
    escaped: bool = False
    spaced: bool = False

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The records of these lines, whose escaped quotes are doubled by now. Raises csv.Error."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            strict=True,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            skipinitialspace=self.spaced,
        )


USUAL = CsvForm()


def csv_form(text: str, default: str) -> CsvForm:
    """The form of a CSV that begins with this text: of those that it may have, the one in which most of its rows
    are as wide as the header; ``default`` is the delimiter where the header has none.
    """
    delimiter = delimiter_of(text, default)
    plain = CsvForm(delimiter, _are_quoted(text, delimiter))
    whole = text[: text.rfind("\n") + 1] or text
    marks = {"escaped": '\\"', "spaced": f'{delimiter} "'}
    likely = [CsvForm(delimiter, **{name: True}) for name, mark in marks.items() if mark in whole]
    return max((plain, *likely), key=lambda form: _sound(whole, form)) if likely else plain


def header_line(text: str) -> str:
    """The header line of a CSV: the first, or the one after Excel's ``sep=;``."""
    first, second = (*re.split(r"\r\n|\r|\n", text.lstrip("\r\n"), maxsplit=2), "")[:2]
    return second if re.fullmatch(r"sep=.", first, re.IGNORECASE) else first


def delimiter_of(text: str, default: str) -> str:
    """The separator that occurs most often in the header line."""
    header = header_line(text)
    best: str = max(",;\t|", key=header.count)
    return best if header.count(best) else default


def _are_quoted(text: str, delimiter: str) -> bool:
    """Whether quotes enclose fields. In a TSV they do not where a field opens with one
    that no field's end closes.
    """
    lines = text.split("\n")[:-1] if text.count("\n") > 1 else text.split("\n")
    cells = [line.rstrip("\r").split(delimiter) for line in lines if line.strip()]
    if delimiter != "\t" or len({len(row) for row in cells}) > 1:
        return True
    whole = re.compile(r'"(?:[^"]|"")*"')
    return all(not cell.startswith('"') or whole.fullmatch(cell) for row in cells for cell in row)


def _sound(text: str, form: CsvForm) -> int:
    """How many rows before the first mistake are as wide as the header and have no quotes around a field left."""
    lines = (line.replace('\\"', '""') if form.escaped else line for line in io.StringIO(text))
    width, sound = 0, 0
    try:
        for cells in form.reader(lines):
            width = width or len(cells)
            sound += len(cells) == width and not any(LEFT.fullmatch(cell) for cell in cells)
    except csv.Error:
        pass
    return sound
