"""The guards that a selection asks for, made and ready: the catalogue's classes with the user's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from handpicked.catalogue import GUARDS, file_hash, is_file
from handpicked.errors import ConfigError
from handpicked.guards.guard import Guard
from handpicked.method import make, settings_of

GuardEntry: TypeAlias = str | Mapping[str, Mapping[str, Any]]
"""A guard as a user writes it: ``name``, ``name=value``, or its name with its settings. The name may be
``FILE.py:CLASS``.
"""


def plan_guards(
    names: Sequence[GuardEntry], prompts: Sequence[str | Path] = (), tokenizer: str | None = None
) -> tuple[Guard, ...]:
    """The requested guards, in order. ``prompts`` and ``tokenizer`` are the defaults of guards that have such
    a setting.

    Raises:
        ConfigError: an unknown guard, or a setting or value that it does not take; all mistakes at once.
        MissingPart: a guard needs something that is not installed.
    """
    shared = {"prompts": tuple(map(str, prompts)), "tokenizer": tokenizer}
    plans: list[Guard] = []
    mistakes: list[str] = []
    for entry in names:
        try:
            guard = _made(entry, shared)
            _checked(guard, entry)
        except ConfigError as error:
            mistakes += error.mistakes
        else:
            plans.append(guard)
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(plans)


def windows(names: Sequence[GuardEntry]) -> list[tuple[float, float]]:
    """The fewest and the most tokens of a response that each guard lets through, of those that bound them."""
    made = (_made(entry, {}) for entry in names)
    return [guard.window for guard in made if guard.window is not None]


def guard_files(names: Sequence[GuardEntry]) -> dict[str, str]:
    """The sha256 of each user's file that holds one of these guards, by the name that was given."""
    given = [name for name, _ in map(_parted, names) if is_file(name)]
    return {name: sha for name in given if (sha := file_hash(GUARDS.find(name, "guards"))) is not None}


def _made(entry: GuardEntry, shared: Mapping[str, Any]) -> Guard:
    name, given = _parted(entry)
    found = GUARDS.find(name, "guards")
    try:
        settings = found.settings_in(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ConfigError(f"guards: '{name}={given}': {error}") from error
    takes = {one.name for one in settings_of(found)}
    values = {key: value for key, value in shared.items() if value and key in takes} | {**settings}
    return make(found, name, values, lambda key: f"guards: {_shown(entry)}: {key}")


def _checked(guard: Guard, entry: GuardEntry) -> None:
    """Raise ConfigError with the place of each mistake that the guard finds in its settings."""
    try:
        guard.check()
    except ConfigError as error:
        raise ConfigError(*(f"guards: {_shown(entry)}: {one}" for one in error.mistakes)) from error


def _parted(entry: GuardEntry) -> tuple[str, str | Mapping[str, Any]]:
    """The name of a guard, and its value or its settings."""
    if isinstance(entry, str):
        at = entry.find("=", entry.find(".py:") + 1)  # the path of a file may hold one as well
        return (entry, "") if at < 0 else (entry[:at], entry[at + 1 :])
    ((name, settings),) = entry.items()
    return name, settings


def _shown(entry: GuardEntry) -> str:
    return f"'{entry}'" if isinstance(entry, str) else f"'{next(iter(entry))}'"
