"""Every selector, scorer, guard and trainer to export for by the name that users give: shipped ones, those
of installed packages, and ``FILE.py:CLASS``.

Names are known only here. A file in ``selectors/``, ``scorers/text/``, ``scorers/model/``, ``guards/`` or
``exports/`` with a class of its kind is found automatically; a package adds its own by an entry point of the
group ``handpicked.selectors``, ``handpicked.scorers``, ``handpicked.guards`` or ``handpicked.exports``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from handpicked import installed
from handpicked.errors import ConfigError, HandpickedError, did_you_mean
from handpicked.exports.trainer import Trainer
from handpicked.guards.guard import Guard
from handpicked.method import Method, classes_in
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scorer
from handpicked.selectors.selector import Selector

Kind = TypeVar("Kind", bound=Method)
AnyScorer = Scorer | PoolScorer


@dataclass(frozen=True)
class Shelf(Generic[Kind]):
    """All methods of one kind. ``group`` is the group of entry points, ``word`` what
    a method of it is called.
    """

    word: str
    group: str
    packages: tuple[str, ...]
    kinds: tuple[type[Method], ...]

    @property
    def shipped(self) -> Mapping[str, type[Kind]]:
        """Those that come with handpicked, by name."""
        return _shipped(self)

    @property
    def names(self) -> list[str]:
        """Every name that can be given, except those of files."""
        return [*self.shipped, *(name for name in installed.names(self.group) if name not in self.shipped)]

    def get(self, name: str) -> type[Kind] | None:
        """The class of that name, or None where there is none.

        Raises:
            ConfigError: ``FILE.py:CLASS`` or an installed package that cannot be loaded, or
                that holds something else.
        """
        if is_file(name):
            return self._checked(name, _from_file(name))
        for (
            package
        ) in self.packages:  # one after the other: most names need no scorer by a model to be imported
            if name in (known := _in_package(self, package)):
                return known[name]
        found = installed.load(self.group, name)
        return None if found is None else self._checked(name, found)

    def find(self, name: str, where: str) -> type[Kind]:
        """The class of that name; ``where`` is the setting that gives it.

        Raises:
            ConfigError: there is none, or what ``get`` raises.
        """
        found = self.get(name)
        if found is None:
            raise ConfigError(f"{where}: there is no {self.word} {name!r}.{did_you_mean(name, self.names)}")
        return found

    def _checked(self, name: str, found: object) -> type[Kind]:
        right = isinstance(found, type) and issubclass(found, self.kinds)
        if not right or not is_dataclass(found) or inspect.isabstract(found):
            wanted = " or ".join(f"handpicked.{kind.__name__}" for kind in self.kinds)
            raise ConfigError(
                f"{name} is not a {self.word}: it must be a frozen dataclass that inherits "
                f"from {wanted} and has all of its "
                "methods. docs/extending.md shows one."
            )
        checked: Any = found
        if not isinstance(getattr(checked, "name", None), str):
            raise ConfigError(f'{name} has no name: write `name: ClassVar[str] = "..."` in the class.')
        kept: type[Kind] = checked
        return kept


SELECTORS: Shelf[Selector] = Shelf("selector", "handpicked.selectors", ("handpicked.selectors",), (Selector,))
SCORERS: Shelf[AnyScorer] = Shelf(
    "scorer",
    "handpicked.scorers",
    ("handpicked.scorers.text", "handpicked.scorers.model"),
    (Scorer, PoolScorer),
)
GUARDS: Shelf[Guard] = Shelf("guard", "handpicked.guards", ("handpicked.guards",), (Guard,))
TRAINERS: Shelf[Trainer] = Shelf("trainer", "handpicked.exports", ("handpicked.exports",), (Trainer,))


def is_file(name: str) -> bool:
    """Whether a name is ``FILE.py:CLASS``."""
    return ".py:" in name


def file_hash(method: type[Method]) -> str | None:
    """The sha256 of the user's file that a method comes from; None for one that is shipped or installed."""
    module = sys.modules.get(method.__module__)
    path = getattr(module, "__handpicked_file__", None)
    return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


@cache
def _shipped(shelf: Shelf[Kind]) -> dict[str, type[Kind]]:
    return {name: one for package in shelf.packages for name, one in _in_package(shelf, package).items()}


@cache
def _in_package(shelf: Shelf[Kind], package: str) -> dict[str, type[Kind]]:
    found: dict[str, type[Kind]] = {}
    for one in classes_in(package):
        if issubclass(one, shelf.kinds) and one.listed:
            method: Any = one
            found |= dict.fromkeys(one.variants or (one.name,), method)
    return found


def _from_file(name: str) -> object:
    """The class that ``FILE.py:CLASS`` names. The file is run, as a script of the user's is."""
    file, _, wanted = name.rpartition(":")
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(f"There is no file {file} (of {name}).")
    module = _module(path, path.stat().st_mtime_ns)
    found = getattr(module, wanted, None)
    if found is None:
        known = [one for one, value in vars(module).items() if isinstance(value, type)]
        raise ConfigError(f"{file} has no class '{wanted}'.{did_you_mean(wanted, known)}")
    return found


@cache
def _module(path: Path, modified: int) -> ModuleType:
    """The module in a file, under a name that its path makes unique, so that its classes can be pickled."""
    del modified
    name = f"handpicked_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    vars(module)["__handpicked_file__"] = str(path)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except HandpickedError:
        raise
    except Exception as error:
        del sys.modules[name]
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        line = "" if place is None else f", line {place.tb_lineno}"
        raise ConfigError(f"{path}{line}: {type(error).__name__}: {error}") from error
    return module
