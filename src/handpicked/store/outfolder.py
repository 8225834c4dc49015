"""An output folder that changes completely or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from handpicked.errors import StoreError
from handpicked.store import writing
from handpicked.store.foreign import refuse_foreign

MANIFEST = "manifest.json"
ASIDE = ".handpicked-unfinished"


@contextmanager
def filling(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder inside ``out`` to write files into; when the block ends well they take their
    place, the manifest last.

    ``names`` are the files that may be written. Until the first is renamed ``out`` keeps what it held; from
    then on it has no manifest until the last one is there, so that a half-replaced folder is recognised. A
    folder left by a killed run is cleared. When the block fails nothing of it stays.

    Raises:
        StoreError: ``out`` cannot be written, is in use by another process, or holds files of these names
            that are not from handpicked.
    """
    with writing(out):
        existed = out.is_dir()
        out.mkdir(parents=True, exist_ok=True)
        aside = out / ASIDE
        refuse_foreign(out, names, ours=aside.is_dir() or _is_ours(out / MANIFEST))
        aside.mkdir(exist_ok=True)
        lock = FileLock(str(aside / ".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"{out} is being written by another process. Wait for it, or choose another folder with -o."
            ) from None
        complete = False
        try:
            _clear(aside)
            yield aside
            _commit(aside, out, names)
            complete = True
        finally:
            lock.release()
            shutil.rmtree(aside, ignore_errors=True)
            if not complete and not existed:
                _remove_if_empty(out)


def _is_ours(manifest: Path) -> bool:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("handpicked"), str)


def _clear(aside: Path) -> None:
    for path in aside.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _commit(aside: Path, out: Path, names: Sequence[str]) -> None:
    (out / MANIFEST).unlink(missing_ok=True)
    for name in names:
        if name != MANIFEST:
            _replace(aside / name, out / name)
    _replace(aside / MANIFEST, out / MANIFEST)


def _replace(new: Path, old: Path) -> None:
    """Replace ``old`` by ``new``; where there is no new file, remove that of an earlier run."""
    if old.is_dir():
        shutil.rmtree(old)
    if new.exists():
        new.replace(old)
    else:
        old.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
