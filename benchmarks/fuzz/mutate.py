"""Edits of a file: of its bytes, of the values in its JSON, and of what is inside its compression."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa

JUNK = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"null",
    ),
    *(
        b"\\ud83d",
        b"1e999",
        b"NaN",
        b"},{",
        b'"}, {"',
        b"[" * 3000,
        b"\xed\xa0\x80",
        b"\t",
        b"'",
        b"\xe2\x80\xa8",
    ),
    *(
        b"&a [*a, *a]",
        b"<<: *a",
        b"!!python/object:os.system",
        b"- ",
        b"? ",
        b"\x1f\x8b",
        b"PAR1",
        b"ARROW1",
        b"2026-02-30",
    ),
]
WORDS = [
    b"\xff" * 4,
    b"\0" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\x10\0\0\0",
    b"\xff" * 8,
    (1 << 40).to_bytes(8, "little"),
]
BLOWN_UP = 1 << 20


def mutated(name: str, data: bytes, rng: random.Random) -> bytes:
    """The file with one to four edits."""
    if name.endswith((".gz", ".zst")) and rng.random() < 0.5:
        return _repacked(name, data, rng)
    if ".json" in name and not name.endswith((".gz", ".zst")) and rng.random() < 0.4:
        return _values(name, data, rng)
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(EDITS)(data, _place(data, rng), rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Anywhere, or near an end, where the metadata of columns lies."""
    near = rng.randrange(600)
    return min(len(data), rng.choice([rng.randrange(len(data) + 1), near, max(0, len(data) - near)]))


def _flip(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in data[at : at + 1]) + data[at + 1 :]


def _drop(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + data[at + int(rng.expovariate(1 / 8)) + 1 :]


def _double(data: bytes, at: int, rng: random.Random) -> bytes:
    end = at + int(rng.expovariate(1 / rng.choice([8, 300]))) + 1
    return data[:end] + data[at:end] + data[end:]


def _insert(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + rng.choice(JUNK) + data[at:]


def _overwrite(data: bytes, at: int, rng: random.Random) -> bytes:
    word = rng.choice([*WORDS, *JUNK])
    return data[:at] + word + data[at + len(word) :]


def _cut(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] if rng.random() < 0.3 else data


EDITS: list[Callable[[bytes, int, random.Random], bytes]] = [_flip, _drop, _double, _insert, _overwrite, _cut]


def _repacked(name: str, data: bytes, rng: random.Random) -> bytes:
    """The same edits inside of the compression."""
    packed = name.endswith(".gz")
    inner = (
        gzip.decompress(data) if packed else pa.input_stream(pa.py_buffer(data), compression="zstd").read()
    )
    changed = mutated("inner", inner, rng)
    return (
        gzip.compress(changed, mtime=0) if packed else bytes(pa.compress(changed, codec="zstd", asbytes=True))
    )


def _wild(rng: random.Random) -> Any:
    """A value that nobody expects."""
    deep: Any = "x"
    for _ in range(rng.choice([3, 60, 400])):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return rng.choice(
        [None, True, 0, -1, 1e308, 10**30, "", " ", "\0", "\ud800", "é" * 50, "nan", [], {}, [None], [[]], {"role": 5}, deep,
         "x" * rng.choice([10, BLOWN_UP]), float("nan"), [{"from": "gpt"}], {"value": None}, ["a", 1, {}], "{{ x }}", "\u2028"]
    )  # fmt: skip


def _values(name: str, data: bytes, rng: random.Random) -> bytes:
    """Some values replaced, some fields taken away, added or renamed."""
    lines = name.endswith(".jsonl")
    rows = [json.loads(line) for line in data.splitlines()] if lines else json.loads(data)
    for _ in range(rng.randint(1, 4)):
        _change(rows, rng)
    if lines:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return json.dumps(rows).encode()


def _change(value: Any, rng: random.Random) -> None:
    """One change somewhere below."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(value[key], dict | list) and rng.random() < 0.7:
        _change(value[key], rng)
    elif rng.random() < 0.2:
        del value[key]
    elif isinstance(value, dict) and rng.random() < 0.2:
        value[rng.choice(["", "messages", "prompt", "\ud800", key + " ", "id", "source"])] = _wild(rng)
    else:
        value[key] = _wild(rng)
