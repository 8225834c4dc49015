"""What comes through a pipe can be read once, and a file of rows is read several times: it
is copied to a file first.
"""

from __future__ import annotations

import atexit
import shutil
import stat
import tempfile
from pathlib import Path

from handpicked.errors import PoolError
from handpicked.store import writing

_copies: dict[tuple[int, int], Path] = {}
_names: dict[Path, str] = {}


def spooled(path: Path) -> Path:
    """``path``, or where it is a pipe (``mkfifo``, ``/dev/stdin``, ``<(...)``) a copy of
    all that comes through it.

    The copy lies in the temporary folder until the process ends; the same pipe gives the same copy. Raises
    PoolError for a terminal or another device, and StoreError where the copy cannot be written.
    """
    try:
        found = path.stat()
    except OSError:
        return path  # whoever opens it says what is wrong
    kind = found.st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        return path
    if not stat.S_ISFIFO(kind):
        what = "a socket" if stat.S_ISSOCK(kind) else "a device"
        raise PoolError(f"{path} is {what}, and rows are read from files, folders and pipes")
    key = (found.st_dev, found.st_ino)
    if key not in _copies:
        _copies[key] = _copy(path)
    return _copies[key]


def given_name(path: Path) -> str:
    """How the user named the file at ``path``: the pipe, where it is the copy of one."""
    return _names.get(path, str(path))


def name(copy: Path, given: str) -> None:
    """The file ``copy`` is called ``given`` in messages and manifests."""
    _names[copy] = given


def is_copy(path: Path) -> bool:
    """Whether the file was made of something that the user named otherwise."""
    return path in _names


def forget(folder: Path) -> None:
    """Delete a folder of copies."""
    for copy in list(_names):  # a copy: another pool may be let go meanwhile
        if copy.parent == folder:
            _names.pop(copy, None)
    shutil.rmtree(folder, ignore_errors=True)


def clear() -> None:
    """Delete every copy. Called when the process ends."""
    for copy in _copies.values():
        shutil.rmtree(copy.parent, ignore_errors=True)
    _copies.clear()


def _copy(pipe: Path) -> Path:
    if not _copies:
        atexit.register(clear)
    with writing(Path(tempfile.gettempdir())):
        copy = Path(tempfile.mkdtemp(prefix="handpicked-")).resolve() / pipe.name
        try:
            with copy.open("xb") as file, pipe.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
        except BaseException:  # Ctrl-C too: nobody else knows of this folder
            shutil.rmtree(copy.parent, ignore_errors=True)
            raise
    _names[copy] = str(pipe)
    return copy
