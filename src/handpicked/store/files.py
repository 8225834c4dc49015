"""Files that are either the old ones or whole new ones, whenever a process dies; what a disk can refuse; hashes
of content.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handpicked.errors import StoreError
from handpicked.records import LINE
from handpicked.secrets import masked

_DISK_REASONS = {
    errno.ENOSPC: "no space is left on the disk. Free some, then run the same command again: finished work is kept.",
    errno.EDQUOT: "your disk quota is used up. Free some, then run the same command again: finished work is kept.",
    errno.EROFS: "it is on a read-only file system. Choose another folder.",
    errno.EACCES: "you may not write there. Choose another folder, or change its permissions.",
    errno.EPERM: "you may not write there. Choose another folder, or change its permissions.",
    errno.ENOTDIR: "part of that path is a file, not a folder. Choose another folder.",
    errno.EISDIR: "a folder of that name is in the way. Move it, or choose another folder.",
    errno.EEXIST: "a file of that name is in the way. Choose another folder.",
    errno.ENAMETOOLONG: "a name in that path is too long for this system. Choose another folder.",
    errno.ELOOP: "links in that path lead to themselves. Choose another folder.",
    errno.EIO: "the device has failed. Choose another folder, and check the disk.",
    errno.EFBIG: "the file would exceed the size limit of this system or of this process.",
}

PART = ".part"
"""How the name of a file ends that is written aside."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk can refuse (full, read-only, forbidden) into a StoreError that names ``path``."""
    try:
        yield
    except OSError as error:
        reason = _DISK_REASONS.get(error.errno or 0)
        if reason is None:
            raise
        named = str(error.filename or path)
        raise StoreError(f"Cannot write to {path if named.endswith(PART) else named}: {reason}") from error


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, and its parents, regardless of the umask; an existing one
    stays as it is.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
    path.mkdir(parents=True, exist_ok=True)  # raises where a file is in the way


def private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, regardless of the umask; an existing one stays as it
    is.
    """
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Write a file so that it is either the old one or the whole new one, whenever the process dies.

    Known keys are hidden in it, and what UTF-8 cannot write becomes U+FFFD. Only the owner may read a
    ``private`` one, and enter the folders that are made for it.
    """
    with writing(path):
        if private:
            private_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}{PART}")
        try:
            if private:
                aside.unlink(missing_ok=True)
                private_file(aside)
            with aside.open("w", encoding="utf-8", newline="") as file:
                file.write(masked(utf8(text)))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def utf8(text: str) -> str:
    """Text that UTF-8 can write: lone surrogates, which JSON can carry, become U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def write_json(path: Path, value: object, private: bool = False) -> None:
    """``write_text`` of indented JSON, records as their fields; NaN is refused, because readers of other
    languages cannot read it.
    """
    write_text(
        path,
        json.dumps(value, default=LINE.default, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        private,
    )


def read_json(path: Path) -> Any:
    """A JSON file that handpicked wrote. Raises StoreError when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged ({error}). Delete its folder and run again.") from error


def digest(path: Path) -> str:
    """sha256 of a file, or of a folder's files with their names (hidden ones left out), as hex."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        name = file.relative_to(path).as_posix() if file != path else ""
        if any(part.startswith(".") for part in name.split("/")):
            continue
        total.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()
