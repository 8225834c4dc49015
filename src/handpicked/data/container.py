"""Which container a file is, told by its content: JSON array, JSON lines, CSV, Parquet or Arrow, compressed or not."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from handpicked.data.recognise import CHATS, PROMPTS, RESPONSES
from handpicked.errors import PoolError

Kind = Literal["json array", "json lines", "json objects", "csv", "parquet", "arrow file", "arrow stream"]
Compression = Literal["gzip", "bz2", "zstd"]

MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
HEAD = 1 << 16
TEXT_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".arrow", ".feather")
PACKED = (".gz", ".zst", ".bz2")
NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "manifest.json")


@dataclass(frozen=True)
class Container:
    """How the rows lie in a file. ``delimiter`` separates the fields of a CSV."""

    kind: Kind
    compression: Compression | None = None
    delimiter: str = ","

    def __str__(self) -> str:
        return f"{self.kind}, {self.compression}" if self.compression else self.kind


def sniff(path: Path, fields: tuple[str, ...] = ()) -> Container:
    """The container of a file by its first bytes; the suffix only decides between texts that could be several things.

    ``fields`` are names given by the user, which a CSV header may show. Raises PoolError for a file that is missing,
    unreadable, empty, or nothing of this kind.
    """
    head, compression = _head(path)
    if not compression and head[:4] == b"PAR1":
        return Container("parquet")
    if not compression and head[:6] == b"ARROW1":
        return Container("arrow file")
    if not compression and head[:4] == b"\xff\xff\xff\xff":
        return Container("arrow stream")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise PoolError(
            f"{path} is UTF-16 text; handpicked reads UTF-8: iconv -f UTF-16 -t UTF-8 {path.name} > pool.json"
        )
    text = head.decode("utf-8-sig", "replace")
    if not text.strip():
        raise PoolError(f"{path} is empty: there are no rows to read")
    suffix = next((part for part in reversed(Path(path.name.lower()).suffixes) if part in TEXT_SUFFIXES), "")
    return _text_container(path, text, suffix, compression, fields)


def is_data(path: Path) -> bool:
    """Whether a file of a folder is taken as data, by its name: a known suffix, not hidden, no metadata."""
    name = path.name.lower()
    if any(part.startswith((".", "_")) for part in path.parts) or name in NOT_ROWS:
        return False
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.endswith(SUFFIXES)


def open_bytes(path: Path, compression: Compression | None) -> IO[bytes]:
    """The decompressed bytes of a file. Raises PoolError when it is missing or unreadable."""
    try:
        if compression == "gzip":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        if compression == "bz2":
            return cast("IO[bytes]", bz2.open(path, "rb"))
        if compression == "zstd":
            import pyarrow as pa

            return cast("IO[bytes]", pa.input_stream(str(path), compression="zstd"))
        return path.open("rb")
    except OSError as error:
        raise PoolError(unreadable(path, error)) from error


def unreadable(path: Path, error: Exception) -> str:
    """One line saying why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it"
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


DAMAGED = (OSError, EOFError, zlib.error)
"""What reading a missing, cut or damaged (compressed) file raises."""


def _head(path: Path) -> tuple[bytes, Compression | None]:
    if path.exists() and not path.is_file():
        raise PoolError(f"{path} is no file: it is a folder, a pipe or a device")
    with open_bytes(path, None) as raw:
        try:
            start = raw.read(HEAD)
        except OSError as error:
            raise PoolError(unreadable(path, error)) from error
    compression = next((name for magic, name in MAGIC if start.startswith(magic)), None)
    if compression is None:
        return start, None
    try:
        with open_bytes(path, compression) as stream:
            return stream.read(HEAD), compression
    except DAMAGED as error:
        raise PoolError(f"{path} is no sound {compression} file: {error}") from error


def _text_container(
    path: Path, text: str, suffix: str, compression: Compression | None, fields: tuple[str, ...]
) -> Container:
    start = text.lstrip()
    if suffix in (".csv", ".tsv"):
        return Container("csv", compression, _delimiter(text, "\t" if suffix == ".tsv" else ","))
    if start.startswith("["):
        return Container("json array", compression)
    if suffix in (".jsonl", ".ndjson"):
        return Container("json lines", compression)
    if start.startswith("{"):
        lines = [line for line in text.split("\n")[:50] if line.strip()]
        whole = any(_is_object(line) for line in lines) or len(lines) == 1
        return Container("json lines" if whole else "json objects", compression)
    delimiter = _delimiter(text, ",")
    header = next(csv.reader([text.split("\n", 1)[0].strip("\r")], delimiter=delimiter), [])
    known = {*CHATS, *PROMPTS, *RESPONSES, *fields}
    if len(header) > 1 and any(cell.strip().lower() in known or cell in fields for cell in header):
        return Container("csv", compression, delimiter)
    raise PoolError(
        f"{path} is not JSON, JSON lines, CSV with a header, Parquet or Arrow: it starts with {start[:40]!r}. "
        f"A pool is a list of rows with fields such as instruction and output."
    )


def _delimiter(text: str, default: str) -> str:
    """The separator that occurs most often in the header line."""
    header = text.split("\n", 1)[0]
    best: str = max(",;\t|", key=header.count)
    return best if header.count(best) else default


def _is_object(line: str) -> bool:
    try:
        found: Any = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict)
