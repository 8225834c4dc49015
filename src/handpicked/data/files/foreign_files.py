"""Files that are often taken for a pool and are none, by their first bytes, and what to do with each."""

from __future__ import annotations

import re

KINDS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a pointer of Git LFS, not the data itself. Run 'git lfs pull' in its repository.",
    ),
    (b"<!doctype html", "is a web page, such as one of a login or an error. Download the data file itself."),
    (b"<html", "is a web page, such as one of a login or an error. Download the data file itself."),
    (
        b"sqlite format 3\x00",
        "is an SQLite database. Write a table of it as CSV: sqlite3 -header -csv FILE 'select * from TABLE' > "
        "pool.csv",
    ),
    (b"%pdf-", "is a PDF, which has no rows."),
    (b"\x93numpy", "is a NumPy array. Write its rows as JSON lines or Parquet, with named fields."),
    (b"\x89hdf", "is an HDF5 file. Write its table as Parquet: pandas.read_hdf(FILE).to_parquet('pool.parquet')"),
    (b"obj\x01", "is an Avro file. Write its rows as Parquet or JSON lines."),
    (b"orc\x00", "is an ORC file. Write it as Parquet: pyarrow.orc.read_table(FILE), then pyarrow.parquet.write_table."),
    (b"orc\x0a", "is an ORC file. Write it as Parquet: pyarrow.orc.read_table(FILE), then pyarrow.parquet.write_table."),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook or another Office file. Save its sheet as CSV."),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive. Unpack it: 7z x FILE"),
    (b"rar!\x1a\x07", "is a RAR archive. Unpack it: unrar x FILE"),
    (b"\x89lzo", "is packed with LZO. Unpack it: lzop -d FILE"),
    (b"gguf", "is a model (GGUF), not its training data."),
    (b"<?xml", "is XML, such as the error of an object store. Download the data file itself, or write its rows as JSON."),
    (b"```", "is fenced as Markdown is. Delete the lines of the fence, the first and the last."),
    (b"404: not found", "is the answer of a server that has no such file. Download the data file itself."),
    (b"invalid username or password", "is the answer of a server that wanted a login. Download the data file itself."),
    (b"access to dataset", "is the answer of a server that wanted a login. Download the data file itself."),
)  # fmt: skip
DUCKDB = "is a DuckDB database. Write a table of it as Parquet: duckdb FILE \"copy TABLE to 'pool.parquet'\""
SAFETENSORS = re.compile(rb"[\s\S]{6}\0\0\{\"")
MARKDOWN = re.compile(rb"\|[^\n]*\n\s*\|[\s:|-]*-")
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
PICKLE = (
    "is a pickle, which may run any code when it is opened, so handpicked does not. Write its rows as JSON lines "
    "or Parquet."
)


def foreign_kind(head: bytes) -> str | None:
    """What a file that begins with ``head`` is and what to do, as the end of a sentence; None where it may be a
    pool.
    """
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:4096].lower()
    if head.startswith(PICKLES):
        return PICKLE
    if head[8:12] == b"DUCK":
        return DUCKDB
    if SAFETENSORS.match(head):
        return "holds the weights of a model (safetensors), not its training data."
    if MARKDOWN.match(begin):
        return "is a table in Markdown. Save it as CSV."
    return next((said for mark, said in KINDS if begin.startswith(mark)), None)
