"""What a written page says of its origin: files, command, versions; as the manifest has them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handpicked.selection.card import source

FILES = 100
"""Input files that are named."""


@dataclass(frozen=True)
class Origin:
    """``sources``: of each input file its name, rows, licence, version and hash, as in the card; ``more`` are
    those left out. ``recognised`` says how the rows were read.
    """

    handpicked: str
    title: str
    recognised: str
    sources: tuple[tuple[str, ...], ...]
    more: int
    command: str
    versions: tuple[tuple[str, str], ...]


def origin(manifest: Mapping[str, Any], versions: Mapping[str, str]) -> Origin:
    """The origin of what ``manifest`` describes."""
    pool = manifest["pool"]
    sources = [source(one) for one in pool["inputs"]]
    names = list(dict.fromkeys(one[0] for one in sources))
    title = ", ".join(names) if len(names) <= 3 else f"{len(names):,} files"
    return Origin(
        manifest["handpicked"],
        title or "rows from memory",
        f"{pool['format']}: {pool['why']}",
        tuple(sources[:FILES]),
        max(0, len(sources) - FILES),
        shlex.join(manifest.get("command", ())),
        tuple(versions.items()),
    )
