"""Recognises a file's container by its content: JSON, JSON lines, CSV, Parquet or Arrow, compressed or not."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal, cast

from handpicked.data.files.csv_form import USUAL, CsvForm, csv_form, delimiter_of, header_line
from handpicked.data.files.encoding import as_utf8, encoding_of
from handpicked.data.files.foreign_files import foreign_kind
from handpicked.data.files.raw import MAX_ROW
from handpicked.data.formats.field_names import CHATS, PROMPTS, RESPONSES
from handpicked.errors import PoolError

Kind = Literal[
    "json array",
    "json lines",
    "json objects",
    "json document",
    "csv",
    "parquet",
    "arrow file",
    "arrow stream",
]
Compression = Literal["gzip", "bz2", "zstd", "xz", "lz4"]

MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
OF_COLUMNS = ((b"PAR1", "Parquet"), (b"ARROW1", "Arrow"))
HEAD = 1 << 16
YAML = re.compile(r"\.ya?ml$", re.IGNORECASE)
TEXT_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".arrow", ".feather")
PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4")
NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json", "manifest.json")


@dataclass(frozen=True)
class Container:
    """How the rows lie in a file. ``form`` is that of a CSV; ``shape`` says where in a JSON document the rows are; a row of a text file has at most
    ``max_row`` bytes. ``encoding`` is that of a text file, None for UTF-8.
    """

    kind: Kind
    compression: Compression | None = None
    form: CsvForm = USUAL
    shape: str = ""
    max_row: int = MAX_ROW
    encoding: str | None = None

    def __str__(self) -> str:
        return ", ".join(part for part in (self.kind, self.compression, self.encoding) if part)

    @property
    def seekable(self) -> bool:
        """Whether the bytes of a row can be found again by their place in the file."""
        return self.compression is None and self.encoding is None


def sniff(path: Path, fields: tuple[str, ...] = (), encoding: str | None = None) -> Container:
    """The container of a file by its first bytes; the suffix only decides between texts
    that could be several things.

    ``fields`` are names given by the user, which a CSV header may show, and ``encoding`` that of a text file,
    where it is known. Raises PoolError for a file that is missing, unreadable, empty, or nothing of this
    kind.
    """
    head, compression = _head(path)
    if not compression and head[:4] == b"PAR1":
        return Container("parquet")
    if not compression and head[:6] == b"ARROW1":
        return Container("arrow file")
    if not compression and head[:4] == b"\xff\xff\xff\xff":
        return Container("arrow stream")
    if (foreign := foreign_kind(head)) is not None:
        raise PoolError(f"{path} {foreign}")
    form = encoding or encoding_of(head)
    text = head.decode(form or "utf-8-sig", "replace").removeprefix("\ufeff")
    if not text.strip():
        text = _after_blanks(path, compression, form)
    suffix = next((part for part in reversed(Path(path.name.lower()).suffixes) if part in TEXT_SUFFIXES), "")
    return replace(_text_container(path, text, suffix, compression, fields), encoding=form)


def _after_blanks(path: Path, compression: Compression | None, encoding: str | None) -> str:
    """The text after a beginning of nothing but blanks. Raises PoolError where there is none."""
    try:
        with as_utf8(open_bytes(path, compression), encoding) as stream:
            while piece := stream.read(1 << 20):
                if piece.strip(b" \t\r\n\v\f\xef\xbb\xbf"):
                    return piece.decode("utf-8", "replace").lstrip()[:HEAD]
    except DAMAGED as error:
        raise PoolError(f"{path} cannot be read to its end: {error or 'it is cut short'}") from error
    raise PoolError(f"{path} is empty: there are no rows to read")


def is_data(path: Path) -> bool:
    """Whether a file of a folder is taken as data, by its name: a known suffix, not hidden, no metadata."""
    if any(part.startswith((".", "_")) for part in path.parts) or path.name.lower() in NOT_ROWS:
        return False
    return unpacked_suffix(path) in SUFFIXES


def unpacked_suffix(path: Path) -> str:
    """The suffix of a file's name without that of a compression, in small letters."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def open_bytes(path: Path, compression: Compression | None) -> IO[bytes]:
    """The decompressed bytes of a file. Raises PoolError when it is missing or unreadable."""
    try:
        if compression == "gzip":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        if compression == "bz2":
            return cast("IO[bytes]", bz2.open(path, "rb"))
        if compression == "xz":
            return cast("IO[bytes]", lzma.open(path, "rb"))
        if compression is not None:
            import pyarrow as pa

            return cast("IO[bytes]", pa.input_stream(str(path), compression=compression))
        return path.open("rb")
    except OSError as error:
        raise PoolError(unreadable(path, error)) from error


def open_text(path: Path, container: Container) -> IO[bytes]:
    """The decompressed text of a file as UTF-8, from any encoding. Raises PoolError when it is missing or
    unreadable.
    """
    return as_utf8(open_bytes(path, container.compression), container.encoding)


def unreadable(path: Path, error: Exception) -> str:
    """One line saying why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it"
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a missing, cut or damaged (compressed) file raises."""


def _head(path: Path) -> tuple[bytes, Compression | None]:
    if path.exists() and not path.is_file():
        raise PoolError(f"{path} is not a file: it is a folder, a pipe or a device")
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
            head = stream.read(HEAD)
    except DAMAGED as error:
        raise PoolError(f"{path} is not a valid {compression} file: {error}") from error
    inside = next((name for magic, name in (*MAGIC, *OF_COLUMNS) if head.startswith(magic)), None)
    if inside is not None:
        raise PoolError(
            f"{path} is {inside} packed with {compression}. Unpack it once, and read what is in it."
        )
    return head, compression


def _text_container(
    path: Path, text: str, suffix: str, compression: Compression | None, fields: tuple[str, ...]
) -> Container:
    start = text.lstrip()
    lines = [line for line in text.split("\n")[:50] if line.strip()]
    if suffix in (".csv", ".tsv"):
        return Container("csv", compression, csv_form(text, "\t" if suffix == ".tsv" else ","))
    if start.startswith("["):
        many = (
            suffix in (".jsonl", ".ndjson")
            and len(lines) > 1
            and _is_a(list, lines[0])
            and lines[1][:1] == "["
        )
        return Container("json lines" if many else "json array", compression)
    if start.startswith("{"):
        if "\n" not in text and re.search(r"\}\r+\s*\{", text):  # lines that end at a bare CR
            return Container("json objects", compression)
        whole = any(_is_a(dict, line.strip().rstrip(",")) for line in lines)
        whole = whole or (len(lines) == 1 and not _in_a_row(lines[0]))
        if suffix in (".jsonl", ".ndjson"):
            whole = whole or not (_pretty(lines) or _in_a_row(lines[0]))
        return Container("json lines" if whole else "json objects", compression)
    if suffix in (".jsonl", ".ndjson"):
        return Container("json lines", compression)
    delimiter = delimiter_of(text, ",")
    header = next(csv.reader([header_line(text)], delimiter=delimiter), [])
    known = {*CHATS, *PROMPTS, *RESPONSES, *fields}
    if len(header) > 1 and any(cell.strip().lower() in known or cell in fields for cell in header):
        return Container("csv", compression, csv_form(text, delimiter))
    yaml = f" Convert YAML: yq -o=json {path.name} > {path.stem}.json" if YAML.search(path.name) else ""
    raise PoolError(
        f"{path} is not JSON, JSON lines, CSV with a header, Parquet or Arrow: "
        f"it starts with {start[:40]!r}. "
        f"A pool is a list of rows with fields such as instruction and output.{yaml}"
    )


def _pretty(lines: list[str]) -> bool:
    """Whether objects are written over several lines each."""
    first = lines[0].strip()
    return len(lines) > 1 and not first.endswith("}") and not lines[1].lstrip().startswith("{")


def _in_a_row(line: str) -> bool:
    """Whether a line begins with a whole object and another one after it."""
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(line.strip())
    except (ValueError, RecursionError):
        return False
    return line.strip()[end:].lstrip(" ,").startswith("{")


def _is_a(kind: type, line: str) -> bool:
    """Whether a line is a whole JSON value of this kind."""
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, kind)
