"""One data file that a pool is read from, and what is known of where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """A data file: where it lies on this machine, the ``name`` to call it by (a URL, where it was fetched),
    and what pins it. ``origin`` may hold ``commit`` (hub), ``etag`` (object stores), ``sha256`` (named data
    sets) and ``licence``; it goes into the manifest.
    """

    path: Path
    name: str
    origin: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def here(path: Path) -> Found:
        """A file of this machine, by its own name."""
        return Found(path, str(path))
