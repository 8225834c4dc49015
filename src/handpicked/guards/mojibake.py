"""Texts that were decoded by the wrong encoding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from handpicked.errors import MissingPart
from handpicked.guards.lint import Lint, found_in

LOST = "\ufffd"
_AS_WINDOWS = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
SUSPECT = f"[\u00c2-\u00f4][{_AS_WINDOWS}]|‚Ä|вЂ|{LOST}"
"""What mojibake holds: a byte that begins a character of UTF-8 and one that goes on, both read as Latin-1 or
Windows-1252 (or as Mac Roman or Windows-1251). Most texts have no such pair, and are not looked at further.
"""
_SUSPECT = re.compile(SUSPECT)
SHOWN = 60
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Mojibake(Lint):
    """Drops rows whose prompt or response was decoded by the wrong encoding ("donâ€™t" for "don’t", "Ã©" for
    "é"), by the library ftfy, or holds U+FFFD, the mark of a lost character.
    """

    name: ClassVar[str] = "mojibake"
    about: ClassVar[str] = "drops rows with text decoded by the wrong encoding (Ã©, â€™) or lost characters"
    source: ClassVar[str] = "ftfy, Speer 2019, doi 10.5281/zenodo.2591652"
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    libraries: ClassVar[tuple[str, ...]] = ("ftfy",)
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("prompt", "response")
    fault: ClassVar[str] = "its text was decoded by the wrong encoding"

    def check(self) -> None:
        try:
            import ftfy  # noqa: F401
        except ImportError as error:
            raise MissingPart("the guard mojibake needs the package ftfy: pip install ftfy.") from error

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        prompt, response = (found_in(batch[name], SUSPECT, garbled) for name in self.reads)
        return pa.compute.coalesce(response, prompt)


def garbled(text: str) -> str | None:
    """The first garbled word of a text and what it should be, or what surrounds a lost character."""
    import ftfy

    place = text.find(LOST)
    if place >= 0:
        return f"a lost character: {' '.join(text[max(0, place - 20) : place + 20].split())}"
    for line in text.splitlines():
        if not _SUSPECT.search(line) or (fixed := ftfy.fix_encoding(line)) == line:
            continue
        words = ((word, ftfy.fix_encoding(word)) for word in line.split())
        word, right = next((pair for pair in words if pair[0] != pair[1]), (line, fixed))
        return f"{word[:SHOWN]} for {right[:SHOWN]}"
    return None
