"""Files behind ``s3://``, ``gs://``, ``az://`` and others: fetched through Daft into the cache, then read as
local files. A copy is kept as long as the object's etag is the same, which also goes into the manifest.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from handpicked.data import layout
from handpicked.data.etag import etag_of
from handpicked.data.files.container import is_data
from handpicked.data.found import Found
from handpicked.errors import PoolError, first_line
from handpicked.store import write_text

log = logging.getLogger(__name__)

BLOCK = 8 << 20
ETAG = ".etag"
"""What the name of the file is that keeps the etag of a copy, beside it."""


def is_remote(name: str) -> bool:
    """Whether a name is a URL such as ``s3://bucket/pool.jsonl``."""
    return "://" in name


def fetch(url: str, split: str | None = None, config: str | None = None) -> tuple[list[Found], list[str]]:
    """Local copies of the data files that a URL (a file, a folder or a glob) names, in
    the order of their names, and remarks. Of a folder those of one split of one config (see ``layout``).

    A copy is kept in the cache and taken again while the object's etag and size are the same. Raises
    PoolError when the place cannot be reached or holds no data file, and for an object that changes while it
    is read.
    """
    sizes = dict(_listed(url))
    if url in sizes or _is_pattern(url):
        if split is not None or config is not None:
            raise PoolError(f"a split or a config is one of a folder, which {url} is not")
        taken = [path for path in sorted(sizes) if path == url or is_data(Path(path.split("://", 1)[1]))]
        remarks: list[str] = []
    else:
        below = url.rstrip("/") + "/"
        sizes = dict(_listed(f"{below}**")) or sizes  # a folder: below it too, as on disk
        names = {path.removeprefix(below): path for path in sorted(sizes)}
        shown, remarks = layout.chosen(list(names), _card(below, sizes), url, split, config)
        taken = [names[name] for name in shown]
    if not taken:
        raise PoolError(f"{url}: no data file is found there")
    return [_copied(path, sizes[path]) for path in taken], remarks


def _card(below: str, sizes: Mapping[str, int]) -> Mapping[str, object]:
    """What the README.md of a folder says of its files, where it has one."""
    url = below + layout.CARD
    if url not in sizes:
        return {}
    return layout.front_matter(_copied(url, sizes[url]).path.read_text("utf-8", "replace"), url)


def cache_folder() -> Path:
    """Where copies and made pools are kept: ``$XDG_CACHE_HOME/handpicked`` or ``~/.cache/handpicked``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handpicked"


def _is_pattern(url: str) -> bool:
    return any(letter in url for letter in "*?[")


def _listed(url: str) -> list[tuple[str, int]]:
    """The files that match, with their sizes in bytes."""
    import daft

    try:
        table = daft.from_glob_path(url).to_pydict()
    except Exception as error:
        if isinstance(error, FileNotFoundError) or "MicroPartition" in str(
            error
        ):  # Daft's words for no match
            return []
        raise PoolError(f"{url} cannot be reached, or nothing is there: {_short(error)}") from error
    return [(path, size) for path, size in zip(table["path"], table["size"], strict=True) if size]


def again(found: Found) -> Path:
    """This host's copy of an object that ``fetch`` found, perhaps on another host.

    Raises PoolError where it cannot be reached, or is no longer the object that it was.
    """
    url, pinned = found.name, found.origin.get("etag")
    place, noted = _places(url)
    if place.is_file() and _noted(noted) == (pinned or ""):
        return place
    now = etag_of(url)
    if now != pinned:
        raise PoolError(
            f"{url} is no longer what it was when the pool was read: its etag was {pinned} and is "
            f"{now or 'not to be had'} now. Work on two versions of it would be mixed. Run the same command "
            "again: it reads the pool as it is now."
        )
    return _copied(url, _size(url)).path


def _size(url: str) -> int:
    import daft

    try:
        return int(daft.File(url).size())
    except Exception as error:
        raise PoolError(f"{url} cannot be reached, or nothing is there: {_short(error)}") from error


def _places(url: str) -> tuple[Path, Path]:
    """Where the cache has the copy of an object, and its etag."""
    name = url.rsplit("/", 1)[-1]
    place = cache_folder() / "remote" / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    return place, place.with_name(name + ETAG)


def _copied(url: str, size: int) -> Found:
    place, noted = _places(url)
    etag = etag_of(url)
    found = Found(place, url, {} if etag is None else {"etag": etag})
    if place.is_file() and place.stat().st_size == size and (etag or "") == _noted(noted):
        return found
    log.info("fetching %s (%.1f MB)", url, size / 1e6)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        noted.unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as aside:
            try:
                _copy(url, aside, size, etag)
                Path(aside.name).replace(place)
            finally:
                Path(aside.name).unlink(missing_ok=True)
        write_text(noted, etag or "")
    except Exception as error:
        raise PoolError(f"{url} cannot be fetched into {place.parent}: {_short(error)}") from error
    return found


def _copy(url: str, aside: IO[bytes], size: int, etag: str | None) -> None:
    """Write the object into ``aside``. Raises OSError where it is not whole, or no longer what was listed."""
    import daft

    with daft.File(url).open() as remote:
        shutil.copyfileobj(remote, aside, BLOCK)
    aside.flush()
    arrived = Path(aside.name).stat().st_size
    if etag_of(url) != etag:
        raise OSError("the object changed while it was read; run the same command again")
    if arrived != size:
        raise OSError(f"only {arrived} of {size} bytes arrived")


def _noted(file: Path) -> str | None:
    try:
        return file.read_text("utf-8")
    except OSError:
        return None


def _short(error: Exception) -> str:
    return first_line(error)[:300]
