"""Files that are often taken for a pool and are none, by their first bytes, and what to do with each."""

from __future__ import annotations

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
)  # fmt: skip
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
PICKLE = (
    "is a pickle, which may run any code when it is opened, so handpicked does not. Write its rows as JSON lines "
    "or Parquet."
)


def foreign_kind(head: bytes) -> str | None:
    """What a file that begins with ``head`` is and what to do, as the end of a sentence; None where it may be a
    pool.
    """
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:64].lower()
    if head.startswith(PICKLES):
        return PICKLE
    return next((said for mark, said in KINDS if begin.startswith(mark)), None)
