"""The prose of responses: text outside fenced code, and its number of words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CODE = r"(?s)(?:```|~~~).*?(?:```|~~~|\z)"
"""A fenced block of code, to its closing fence or the end of the text."""
_SPACES = b" \t\n\r\f\v"


def prose(texts: pa.Array, instead: str = "\n") -> pa.Array:
    """``texts`` (large_string) with ``instead`` in the place of fenced code; a null is an empty text."""
    return pc.replace_substring_regex(pc.fill_null(texts.cast(pa.large_string()), ""), CODE, instead)


def count_words(texts: pa.Array) -> np.ndarray:
    """The number of runs of characters between ASCII white space in each of ``texts`` (no nulls), int64."""
    offsets, data = _buffers(texts)
    space = np.zeros(256, dtype=bool)
    space[list(_SPACES)] = True
    blank = space[data]
    starts = ~blank
    starts[1:] &= blank[:-1]
    begins = offsets[:-1][offsets[:-1] < offsets[1:]]
    starts[begins] = ~blank[begins]  # a text begins again, regardless of the end of the one before
    sums = np.r_[0, np.cumsum(starts)]
    counts: np.ndarray = sums[offsets[1:]] - sums[offsets[:-1]]
    return counts


def _buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, bytes): the UTF-8 of text ``i`` is ``bytes[offsets[i]:offsets[i + 1]]``."""
    _, positions, data = texts.buffers()
    if data is None or not len(texts):
        return np.zeros(len(texts) + 1, dtype=np.int64), np.empty(0, dtype=np.uint8)
    offsets = np.frombuffer(positions, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return offsets - offsets[0], np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
