"""A pool's file on the host that reads it: there already, or fetched there from where the pool came from.

A pool travels to the hosts that work on it without its files. Each host reads them from the same path (a disk
that the hosts share) or fetches them into its own cache: objects of the same etag, data sets of the hub at
the same commit, named data sets by their hash.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from handpicked.data import hub, named, remote
from handpicked.data.found import Found
from handpicked.errors import PoolError


def here(found: Found) -> Path:
    """Where this host has the file that ``found`` says of the host that opened the pool.

    Raises PoolError where it is neither here nor to be had, and where it is no longer the same.
    """
    place = hub.Place.of(found.name) if "commit" in found.origin else None
    if place is None and remote.is_remote(found.name):
        return remote.again(found)
    if found.path.is_file():
        return found.path
    if place is not None or named.is_named(found.name):
        return _fetched(found.name, place)
    raise PoolError(
        f"{found.name} is not there on the host {platform.node()}, where rows of it are read. Put it on a disk "
        "that all hosts share, at the same path, or give a URL (s3://, gs://, https://, a data set on the hub), "
        "which every host fetches."
    )


@cache
def _fetched(name: str, place: hub.Place | None) -> Path:
    """A file that cannot change: of a commit, or of a hash."""
    if place is None:
        return named.fetch(name).path
    (found,), _ = hub.fetch(place, None, None)
    return found.path
