"""JSON of rows of many megabytes, with few copies: their long texts are taken out of it, and each is
decoded or written separately.

A parser copies what it is given before it reads it, and an encoder puts a whole text together twice. A text
with a character beyond U+FFFF takes four bytes a character in Python, so each such copy would be four times
the row.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from handpicked.data.files.parsing import DECODER, ROUNDED

LARGE = 1 << 22
"""Bytes of a row, and characters of a text, from which they are treated so."""
PIECE = 1 << 20


def loads(data: bytes | bytearray) -> object:
    """The JSON value of these bytes.

    Raises:
        ValueError: it is none (or one that only a forgiving parser takes).
    """
    spans = list(_long_texts(data))
    if not spans:
        return _value(data)
    mark = uuid.uuid4().hex
    rest = bytearray()
    at = 0
    for number, (begin, end) in enumerate(spans):
        rest += data[at:begin] + f"{mark}{number}".encode()
        at = end
    value = _value(rest + data[at:])
    names = {f"{mark}{number}": span for number, span in enumerate(spans)}
    return _replaced(value, lambda text: _text(data, *names[text]) if text in names else text)


def _value(data: bytes | bytearray) -> object:
    return DECODER.decode(data.decode()) if ROUNDED.search(data) else orjson.loads(data)


def _long_texts(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Where texts of more than ``LARGE`` bytes begin and end, without their quotes. Raises
    ValueError where one has no end.
    """
    begin = data.find(b'"') + 1
    while begin:
        end = data.find(b'"', begin)
        while end >= 0 and _escaped(data, end):
            end = data.find(b'"', end + 1)
        if end < 0:
            raise ValueError("a text has no end")
        if end - begin > LARGE:
            yield begin, end
        begin = data.find(b'"', end + 1) + 1


def _escaped(data: bytes | bytearray, at: int) -> bool:
    """Whether an odd number of backslashes stands before this byte."""
    begin = at
    while begin and data[begin - 1] == 0x5C:
        begin -= 1
    return (at - begin) % 2 == 1


def _text(data: bytes | bytearray, begin: int, end: int) -> str:
    """The text of a JSON string without its quotes. Raises ValueError."""
    if data.find(b"\\", begin, end) < 0:
        with memoryview(data) as view:
            return str(view[begin:end], "utf-8")
    plain = bytearray()
    while begin < end:
        cut = _cut(data, begin, min(begin + PIECE, end), end)
        plain += orjson.loads(b'"' + data[begin:cut] + b'"').encode()
        begin = cut
    return plain.decode("utf-8")


def _cut(data: bytes | bytearray, begin: int, at: int, end: int) -> int:
    """A place near ``at`` that is in no character and no escape, nor between the two
    escapes of one character.

    Twelve bytes hold the longest of these. Where escapes follow each other all the way, there is
    no such place but the end.
    """
    if at == end:
        return end
    while (near := data.rfind(b"\\", max(begin, at - 12), at)) > begin:
        at = near
    if near == begin:
        return end
    while data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _replaced(value: object, text: Callable[[str], object]) -> Any:
    """The value with every text in it replaced, names too."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {_replaced(name, text): _replaced(part, text) for name, part in value.items()}
    return [_replaced(part, text) for part in value] if isinstance(value, list | tuple) else value


def pieces(row: Mapping[str, object], dumps: Callable[[Mapping[str, object]], bytes]) -> Iterator[bytes]:
    """What ``dumps`` makes of a row, with its long texts encoded a piece at a time."""
    long: list[str] = []
    mark = uuid.uuid4().hex

    def aside(text: str) -> str:
        if len(text) <= LARGE:
            return text
        long.append(text)
        return f"{mark}{len(long) - 1}"

    try:
        rest = dumps(_replaced(row, aside))
    except RecursionError:  # long and deeply nested: as one piece
        yield dumps(row)
        return
    for number, text in enumerate(long):
        before, _, rest = rest.partition(f"{mark}{number}".encode())
        yield before
        yield from (_escapes(text[at : at + PIECE]) for at in range(0, len(text), PIECE))
    yield rest


def is_long(value: object) -> bool:
    """Whether there is a long text in a value."""
    waiting = [value]  # no recursion: rows may be nested deeper than Python calls
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if len(one) > LARGE:
                return True
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return False


def _escapes(text: str) -> bytes:
    """The inside of a JSON string; a lone surrogate is written as its escape."""
    try:
        return json.dumps(text, ensure_ascii=False)[1:-1].encode()
    except UnicodeEncodeError:
        return json.dumps(text)[1:-1].encode()


def text_column(texts: Sequence[object]) -> pa.Array:
    """A ``large_string`` column of these texts. Of a long one Arrow would keep UTF-8 twice, in
    the text and in the column.

    Raises:
        UnicodeEncodeError, ArrowTypeError, ArrowInvalid: a text holds a lone
            surrogate, or a value is not text.
    """
    if not any(map(is_long, texts)):
        return pa.array(texts, pa.large_string())
    data = bytearray()
    ends = [0]
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise pa.ArrowTypeError("a value is not text")
        for at in range(0, len(text or ""), PIECE):
            data += (text or "")[at : at + PIECE].encode()
        ends.append(len(data))
    valid = pa.array([text is not None for text in texts]).buffers()[1]
    offsets = pa.array(ends, pa.int64()).buffers()[1]
    return pa.Array.from_buffers(pa.large_string(), len(texts), [valid, offsets, pa.py_buffer(data)])
