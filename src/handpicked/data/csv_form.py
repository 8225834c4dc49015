"""How a CSV is written, by its beginning: its header, its separator, and what its quotes are."""

from __future__ import annotations

import csv
import io
import re


def header_line(text: str) -> str:
    """The header line of a CSV: the first, or the one after Excel's ``sep=;``."""
    first, second = (*re.split(r"\r\n|\r|\n", text, maxsplit=2), "")[:2]
    return second if re.fullmatch(r"sep=.", first, re.IGNORECASE) else first


def delimiter_of(text: str, default: str) -> str:
    """The separator that occurs most often in the header line."""
    header = header_line(text)
    best: str = max(",;\t|", key=header.count)
    return best if header.count(best) else default


def are_quoted(text: str, delimiter: str) -> bool:
    """Whether quotes enclose fields. In a TSV they do not where a field opens with one
    that no field's end closes.
    """
    lines = text.split("\n")[:-1] if text.count("\n") > 1 else text.split("\n")
    cells = [line.rstrip("\r").split(delimiter) for line in lines if line.strip()]
    if delimiter != "\t" or len({len(row) for row in cells}) > 1:
        return True
    whole = re.compile(r'"(?:[^"]|"")*"')
    return all(not cell.startswith('"') or whole.fullmatch(cell) for row in cells for cell in row)


def are_escaped(text: str, delimiter: str) -> bool:
    """Whether a quote in a quoted field has a backslash before it (MySQL, Spark), and is not doubled: more of the
    first rows are as wide as the header then.
    """
    whole = text[: text.rfind("\n") + 1] or text
    if '\\"' not in whole:
        return False
    return _sound(whole.replace('\\"', '""'), delimiter) > _sound(whole, delimiter)


def _sound(text: str, delimiter: str) -> int:
    """How many rows before the first mistake are as wide as the header."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    width, sound = 0, 0
    try:
        for cells in reader:
            width = width or len(cells)
            sound += len(cells) == width
    except csv.Error:
        pass
    return sound
