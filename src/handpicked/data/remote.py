"""Files behind ``hf://``, ``s3://`` and others: fetched through Daft into the cache, then read as local
files.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

from handpicked.data.container import is_data
from handpicked.errors import PoolError

log = logging.getLogger(__name__)

BLOCK = 8 << 20
OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


def is_remote(name: str) -> bool:
    """Whether a name is a URL such as ``hf://datasets/owner/name`` or ``s3://bucket/pool.jsonl``."""
    return "://" in name


def fetch(url: str) -> list[Path]:
    """Local copies of the data files that a URL (a file, a folder or a glob) names, in
    the order of their names.

    A copy is kept in the cache and taken again while the file's size is the same; delete it to fetch the file
    anew. Raises PoolError when the place cannot be reached or holds no data file.
    """
    if url.startswith("hf://") and any(os.environ.get(name, "") not in ("", "0") for name in OFFLINE):
        raise PoolError(f"{url} cannot be fetched: {' or '.join(OFFLINE)} says that this machine is offline")
    listed = _listed(url)
    if not _is_pattern(url) and all(path != url for path, _ in listed):
        listed = _listed(url.rstrip("/") + "/**") or listed  # a folder: below it too, as on disk
    found = sorted(
        (path, size) for path, size in listed if path == url or is_data(Path(path.split("://", 1)[1]))
    )
    if not found:
        raise PoolError(f"{url}: no data file is found there")
    return [_copied(path, size) for path, size in found]


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


def _copied(url: str, size: int) -> Path:
    import daft

    name = url.rsplit("/", 1)[-1]
    place = cache_folder() / "remote" / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    if place.is_file() and place.stat().st_size == size:
        return place
    log.info("fetching %s (%.1f MB)", url, size / 1e6)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as aside:
            try:
                with daft.File(url).open() as remote:
                    shutil.copyfileobj(remote, aside, BLOCK)
                aside.flush()
                if Path(aside.name).stat().st_size != size:
                    raise OSError(f"only {Path(aside.name).stat().st_size} of {size} bytes arrived")
                Path(aside.name).replace(place)
            finally:
                Path(aside.name).unlink(missing_ok=True)
    except Exception as error:
        raise PoolError(f"{url} cannot be fetched into {place.parent}: {_short(error)}") from error
    return place


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
