"""A finished stage: its folder, what it says of its result, and what made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handpicked.records import Json
from handpicked.store.versions import Versions

Facts = Mapping[str, Any]
"""What a stage says of its result, plain JSON. Who reads a fact knows its type."""


@dataclass(frozen=True)
class Origin:
    """Which methods, libraries and machine made a stage, and when. A stage of layout 1 noted none of it.

    ``finished`` is a time in UTC, ``kept`` what differs from the versions of today, where
    ``--keep-versions`` went on with it.
    """

    versions: Versions = field(default_factory=lambda: Versions({}))
    made: Facts = field(default_factory=dict)
    kept: Sequence[str] = ()

    @staticmethod
    def read(manifest: Json, kept: Sequence[str] = ()) -> Origin:
        """As the manifest has it, with what is kept now."""
        versions = Versions(manifest.get("versions", {}), manifest.get("libraries", {}))
        return Origin(versions, manifest.get("made", {}), [*manifest.get("kept", ()), *kept])


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder, and what it depended on."""

    name: str
    folder: Path
    fingerprint: str
    seconds: float
    skipped: bool
    facts: Facts = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)

    @property
    def earlier(self) -> bool:
        """Whether layout 1 made it, which noted no versions."""
        return not self.origin.made
