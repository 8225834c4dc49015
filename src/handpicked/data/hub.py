"""Data sets on the Hugging Face hub: which files of which commit, and local copies of them.

Everything goes through ``huggingface_hub``, which knows HF_ENDPOINT, the token (HF_TOKEN or the stored one),
the cache (HF_HOME) and Xet. A revision is looked up once and everything is read at that commit, so that an
upload in between changes nothing. What was listed is noted in our cache, so that a machine without the hub
can check whether its copy is complete.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote

from handpicked.data import layout
from handpicked.data.files.archive import PACKED_TAR
from handpicked.data.files.container import SUFFIXES, is_data, unpacked_suffix
from handpicked.data.found import Found
from handpicked.data.hubfaults import cause_of, hub_errors, is_out_of_reach, message_of
from handpicked.data.remote import cache_folder
from handpicked.errors import PoolError, did_you_mean
from handpicked.store import write_json

log = logging.getLogger(__name__)

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
AT_ONCE = 8
"""Files fetched at the same time."""
TRIES = 3
"""How often a file is requested while the connection breaks; some releases of the client try only once."""
SCHEME = "hf://"
_NAME = r"[A-Za-z0-9][\w.-]*"
_REVISION = r"refs/(?:convert|pr)/[^/]+|[^/]+"
BARE = re.compile(rf"({_NAME}/{_NAME})(?:@({_REVISION}))?")
URL = re.compile(rf"hf://datasets/({_NAME}(?:/{_NAME})?)(?:@({_REVISION}))?(?:/(.*))?")
PAGE = re.compile(
    rf"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/({_NAME}/{_NAME})"
    rf"(?:/(?:tree|blob|resolve|viewer)/({_REVISION})(?:/([^?#]*))?)?/?(?:[?#].*)?"
)
"""A data set's page, as it is copied from a browser."""


@dataclass(frozen=True)
class Place:
    """A data set on the hub, or a file, folder or glob in it (``path``) at a ``revision`` (None: main)."""

    name: str
    revision: str | None = None
    path: str = ""

    @staticmethod
    def of(text: str) -> Place | None:
        """The place that a URL (``hf://datasets/...``, or a data set's page) or a bare ``owner/name`` names.

        Whether a bare name is a file of this machine must be looked up before. Raises PoolError for a URL of
        the hub that is not a data set's.
        """
        found = URL.fullmatch(text) or PAGE.fullmatch(text)
        if found is not None:
            revision = unquote(found[2]) if found[2] else None
            return Place(found[1], revision, unquote(found[3] or "").strip("/"))
        if text.startswith(SCHEME):
            raise PoolError(
                f"{text} names no data set. On the hub a pool is "
                "hf://datasets/OWNER/NAME, with @REVISION and "
                "/PATH where they are wanted."
            )
        bare = BARE.fullmatch(text)
        if (
            bare is None
            or unpacked_suffix(Path(bare[1])) in SUFFIXES
            or bare[1].endswith((".zip", *PACKED_TAR))
        ):
            return None
        return None if Path(bare[1]).parent.exists() else Place(bare[1], bare[2])

    def url(self, commit: str, file: str) -> str:
        """The URL of one file at a commit."""
        return f"{SCHEME}datasets/{self.name}@{commit}/{file}"


@dataclass(frozen=True)
class _Listing:
    """All files of a data set at one commit."""

    commit: str
    files: tuple[str, ...]


def fetch(place: Place, split: str | None, config: str | None) -> tuple[list[Found], list[str]]:
    """Local copies of the files of one split of one config of a data set, and remarks.

    Raises PoolError, in one line, where the hub refuses or is out of reach, and where nothing fits.
    """
    try:
        listing, remarks = _listed(place)
        card: Mapping[str, object] = {}
        if layout.CARD in listing.files:
            (text,) = _copies(place, listing, [layout.CARD])
            card = layout.front_matter(text.read_text("utf-8", "replace"), f"{place.name}/{layout.CARD}")
        names, more = _wanted(place, listing, card, split, config)
        copies = _copies(place, listing, names)
    except hub_errors() as error:
        raise _refusal(error, place) from error
    pinned = {"commit": listing.commit}
    if (licence := layout.licence(card)) is not None:
        pinned["licence"] = licence
    found = [
        Found(copy, place.url(listing.commit, name), pinned) for name, copy in zip(names, copies, strict=True)
    ]
    return found, [f"{place.name} at commit {listing.commit[:12]}", *remarks, *more]


def is_offline() -> bool:
    """Whether the user has set the hub offline."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false", "no", "off") for name in OFFLINE)


def is_cached(place: Place) -> bool:
    """Whether the one file that ``place`` names is in the client's cache at its revision."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(place.name, place.path, revision=place.revision, repo_type="dataset")
    return isinstance(found, str)


def _wanted(
    place: Place, listing: _Listing, card: Mapping[str, object], split: str | None, config: str | None
) -> tuple[list[str], list[str]]:
    """The names of the files to read."""
    if not place.path:
        names, remarks = layout.chosen(listing.files, card, place.name, split, config)
        if not names:
            raise PoolError(_no_data(place, listing))
        return names, remarks
    if place.path in listing.files:
        if split is not None or config is not None:
            raise PoolError(
                f"a split or a config is one of several files, and {place.path} of {place.name} is one"
            )
        return [place.path], []
    below = [file for file in listing.files if file.startswith(f"{place.path}/")]
    matched = below or [file for file in listing.files if layout.matches(file, place.path)]
    names, remarks = layout.chosen(matched, {}, f"{place.name}/{place.path}", split, config)
    if not names:
        raise PoolError(
            f"{place.name} has no data file at '{place.path}' (commit {listing.commit[:12]})."
            f"{did_you_mean(place.path, [file for file in listing.files if is_data(Path(file))])}"
        )
    return names, remarks


def _no_data(place: Place, listing: _Listing) -> str:
    seen = ", ".join(sorted(listing.files)[:8]) or "nothing"
    script = any(file.endswith(".py") for file in listing.files)
    way = (
        " It is made by a script; its Parquet copy may be "
        f"hf://datasets/{place.name}@refs%2Fconvert%2Fparquet"
        if script
        else ""
    )
    return f"{place.name}: no data file ({', '.join(SUFFIXES)}) in this data set; it holds {seen}.{way}"


def _listed(place: Place) -> tuple[_Listing, list[str]]:
    """The files of the data set as the hub lists them; where it is out of reach, from the last listing."""
    from huggingface_hub import HfApi

    known = _known(place)
    if is_offline() or (known is not None and known.commit == place.revision):
        return _from_cache(place, known, " and ".join(name for name in OFFLINE if os.environ.get(name))), []
    try:
        about = HfApi().dataset_info(place.name, revision=place.revision)
    except hub_errors() as error:
        if known is None or not is_out_of_reach(error):
            raise
        remark = "the hub is out of reach: this is the copy in the cache, as the hub gave it last"
        log.warning("%s: %s", place.name, remark)
        return known, [remark]
    listing = _Listing(str(about.sha), tuple(one.rfilename for one in about.siblings or ()))
    for noted in (_note(place), _note(Place(place.name, listing.commit))):
        noted.parent.mkdir(parents=True, exist_ok=True)
        write_json(noted, {"commit": listing.commit, "files": list(listing.files)})
    return listing, []


def _from_cache(place: Place, known: _Listing | None, offline: str) -> _Listing:
    if known is not None:
        return known
    raise PoolError(
        f"The data set '{place.name}' cannot be read: {offline} says that this "
        "machine is offline, and it has not "
        f"been read here before. Run 'handpicked fetch {place.name}' with the hub in "
        "reach first; or give a folder, "
        "such as its snapshot in the hub's own cache."
    )


def _note(place: Place) -> Path:
    """Where the listing of a data set at a revision is kept."""
    return (
        cache_folder()
        / "hub"
        / quote(place.name, safe="")
        / f"{quote(place.revision or 'main', safe='')}.json"
    )


def _known(place: Place) -> _Listing | None:
    try:
        noted = json.loads(_note(place).read_text("utf-8"))
        return _Listing(str(noted["commit"]), tuple(map(str, noted["files"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _copies(place: Place, listing: _Listing, names: Sequence[str]) -> list[Path]:
    """Local copies of these files at the listed commit: from the hub's cache, else from the hub."""
    from huggingface_hub import hf_hub_download

    one = partial(
        hf_hub_download,
        place.name,
        repo_type="dataset",
        revision=listing.commit,
        local_files_only=is_offline(),
    )
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(lambda name: _copy(one, name), names))


def _copy(download: Callable[..., str], name: str) -> Path:
    """A local copy of one file. Where the connection breaks, the download is resumed."""
    for left in reversed(range(TRIES)):
        try:
            return Path(download(filename=name))
        except hub_errors() as error:
            if not left or is_offline() or not is_out_of_reach(error):
                raise
    raise AssertionError("the last try returns or raises")


def _refusal(error: Exception, place: Place) -> PoolError:
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    behind = cause_of(error)
    if isinstance(error, LocalEntryNotFoundError) and is_offline():
        return PoolError(
            f"The data set '{place.name}' is in the cache of this machine only in "
            "part, and the machine is set to "
            f"be offline. Run 'handpicked fetch {place.name}' with the hub in reach first."
        )
    if isinstance(behind, OSError) and behind.errno:
        return PoolError(
            f"'{place.name}' cannot be kept in {constants.HF_HUB_CACHE}: {behind.strerror or behind}"
        )
    return PoolError(message_of(error, place.name, place.revision))
