"""Zip and tar archives: their data files are unpacked once into the cache and read as files."""

from __future__ import annotations

import hashlib
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from handpicked.data.files.container import SUFFIXES, is_data, unreadable
from handpicked.data.remote import cache_folder
from handpicked.errors import PoolError, first_line
from handpicked.store import writing

BLOCK = 8 << 20
OFFICE = (
    ("xl/", " It is an Excel workbook: save its sheet as CSV."),
    ("word/", " It is a Word document, which has no rows."),
    ("content.xml", " It is a document of OpenOffice: save its sheet as CSV."),
    ("archive/data.pkl", " It is a checkpoint of PyTorch, not training data."),
)
"""What an archive is, by the beginning of the name of a member."""
PACKED_TAR = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    zlib.error,
    ValueError,
    OSError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
)
"""What reading a damaged or encrypted archive raises."""


@dataclass(frozen=True)
class _Member:
    """One file of an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpacked(path: Path) -> list[Path] | None:
    """Copies of the data files of an archive, in the order of their names, or
    ``None`` for a file that is none.

    They lie in the cache folder, under what the archive's path, size and time say. Raises PoolError where the
    archive is damaged, holds no data file, or holds more than the disk has room for.
    """
    opened = _archive(path)
    if opened is None:
        return None
    about = path.stat()
    key = hashlib.sha256(
        f"{path.resolve()} {about.st_size} {about.st_mtime_ns}".encode("utf-8", "surrogatepass")
    )
    place = cache_folder() / "unpacked" / key.hexdigest()[:16]
    if not place.is_dir():
        try:
            with opened as members:
                _unpack(path, list(members), place)
        except DAMAGED as error:
            raise PoolError(f"{path} is an archive that cannot be unpacked: {first_line(error)}") from error
    return sorted(file for file in place.rglob("*") if file.is_file())


def _archive(path: Path) -> AbstractContextManager[Iterator[_Member]] | None:
    """The members of an archive as a context, or ``None`` for another file."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise PoolError(unreadable(path, error)) from error
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path)
    return _tar(path) if head[257:262] == b"ustar" or path.name.lower().endswith(PACKED_TAR) else None


@contextmanager
def _zip(path: Path) -> Iterator[Iterator[_Member]]:
    with zipfile.ZipFile(path) as file:
        yield (
            _Member(one.filename, one.file_size, partial(file.open, one))
            for one in file.infolist()
            if not one.is_dir()
        )


@contextmanager
def _tar(path: Path) -> Iterator[Iterator[_Member]]:
    with tarfile.open(path) as file:
        yield (_Member(one.name, one.size, partial(_extracted, file, one)) for one in file if one.isfile())


def _extracted(file: tarfile.TarFile, one: tarfile.TarInfo) -> IO[bytes]:
    found = file.extractfile(one)
    if found is None:
        raise tarfile.TarError(f"{one.name} is not a file")
    return found


def _unpack(path: Path, members: list[_Member], place: Path) -> None:
    """Copy the data files into a folder aside, which takes its name when all are there."""
    found = [(member, _inside(member.name)) for member in members if is_data(_inside(member.name))]
    if not found:
        names = sorted(member.name for member in members)
        what = next((said for inner, said in OFFICE if any(name.startswith(inner) for name in names)), "")
        raise PoolError(
            f"{path} is an archive without a data file ({', '.join(SUFFIXES)}); it "
            f"holds {', '.join(names[:5]) or 'nothing'}.{what}"
        )
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        needed, free = sum(member.size for member, _ in found), shutil.disk_usage(place.parent).free
        if needed > free:
            raise PoolError(
                f"{path} holds {needed / 1e9:,.1f} GB of data files, and {place.parent} has room for "
                f"{free / 1e9:,.1f} GB; unpack it elsewhere"
            )
        aside = Path(tempfile.mkdtemp(dir=place.parent))
        try:
            for member, name in found:
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, (aside / name).open("xb") as target:
                    shutil.copyfileobj(source, target, BLOCK)
            if not place.is_dir():
                aside.rename(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _inside(name: str) -> Path:
    """The name of a member as a path that cannot leave the folder it is put into."""
    return (
        Path(*(part for part in Path(name.replace("\\", "/")).parts if part not in ("/", "..", ".")))
        if name
        else Path("_")
    )
