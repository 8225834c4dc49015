"""The versions that a stage depends on, and how two attempts at it differ.

A stage depends on the content of its inputs, on its settings, on the ``version`` that each of its methods
states beside its code, and on the versions of the libraries that compute it. The text of the code is not part
of it: a fix of a comment or a refactoring changes no result. ``design/0011`` says why, and when a version is
raised.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from handpicked.records import Json

LANGUAGE_MODEL = ("tokenizers", "torch", "transformers")
"""The libraries that compute all outputs of a language model."""
EMBEDDER = (*LANGUAGE_MODEL, "sentence-transformers")


class Versioned(Protocol):
    """A method that states its version: a scorer, a selector."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised with every change after which the same input may give another result, and only then."""
        ...

    @property
    def libraries(self) -> tuple[str, ...]:
        """The distributions whose versions may change a result, such as ``torch``."""
        ...


@dataclass(frozen=True)
class Versions:
    """The versions of the methods that make a stage, by name, and of the libraries that compute it."""

    methods: Mapping[str, int]
    libraries: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(methods: Mapping[str, int], libraries: Iterable[str] = ()) -> Versions:
        """``methods`` with the installed versions of ``libraries``; one that is not
        installed computes nothing.
        """
        found = {name: installed(name) for name in sorted(set(libraries))}
        return Versions(dict(methods), {name: version for name, version in found.items() if version})

    @staticmethod
    def by(*methods: Versioned, stage: Mapping[str, int] | None = None) -> Versions:
        """Those that the methods state, and the stage itself."""
        stated = {method.name: method.version for method in methods}
        libraries = [library for method in methods for library in method.libraries]
        return Versions.of({**(stage or {}), **stated}, libraries)


def installed(library: str) -> str | None:
    """The version of an installed distribution; None where there is none.

    The build after the ``+`` (``+cpu``, ``+cu130``) is left out: a run that was trained on a
    GPU is rendered on a laptop.
    """
    try:
        return importlib.metadata.version(library).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Dependencies:
    """All that a stage depends on. ``inputs`` are hashes of content by name, ``settings`` plain JSON."""

    inputs: Mapping[str, str]
    settings: Mapping[str, object]
    versions: Versions

    @property
    def recorded(self) -> Json:
        """As a manifest holds it."""
        noted = {
            "inputs": self.inputs,
            "settings": self.settings,
            "versions": self.versions.methods,
            "libraries": self.versions.libraries,
        }
        plain: Json = json.loads(json.dumps(noted, default=str))
        return plain

    @property
    def fingerprint(self) -> str:
        """The hash of all of it, as hex."""
        return hashlib.sha256(json.dumps(self.recorded, sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What differs between two manifests, each as ``settings.learning_rate was 2e-05, is 1e-05``."""
    parts = ("inputs", "settings", "versions", "libraries")
    # A library or method may have a dot in its name, so these two are not flattened.
    old, new = ({part: dict(_flat(side.get(part, {}))) for part in parts} for side in (before, now))
    return [
        _said(part, key, old[part].get(key, "unset"), new[part].get(key, "unset"))
        for part in parts
        for key in sorted(old[part].keys() | new[part].keys())
        if old[part].get(key, "unset") != new[part].get(key, "unset")
    ]


def _said(part: str, key: str, was: object, now: object) -> str:
    if part == "inputs":
        return f"its input {key} {'is new' if was == 'unset' else 'is gone' if now == 'unset' else 'changed'}"
    if part == "versions":
        return f"the method '{key}' was version {was}, is {now}"
    return f"settings.{key} was {was}, is {now}" if part == "settings" else f"{key} was {was}, is {now}"


def only_versions_differ(before: Mapping[str, object], now: Mapping[str, object]) -> bool:
    """Whether inputs and settings are the same."""
    return all(before.get(part) == now[part] for part in ("inputs", "settings"))


def unchanged_since_earlier(before: Json, now: Json) -> bool:
    """Whether a manifest of the layout before, which noted no versions, has the same inputs and settings.

    It held more settings than count today (prices, time-outs); those that count must be as they were. Every
    method was at version 1 then.
    """
    if "code" not in before or any(version != 1 for version in now["versions"].values()):
        return False
    was, counts = dict(_flat(before["settings"])), dict(_flat(now["settings"]))
    same = all(key in was and was[key] == value for key, value in counts.items())
    return same and bool(before["inputs"] == now["inputs"])


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flat(part, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value
