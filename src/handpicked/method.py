"""What a method is: a frozen dataclass in one file that states its name, its source, its cost, what
it needs, and its settings.

Selectors, scorers and guards are methods. The command line, ``handpicked methods``, the experiment file,
manifests and the docs read all of it from the class.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from handpicked.errors import ConfigError, did_you_mean
from handpicked.records import Cost


class Method:
    """What every method states about itself. A subclass is a frozen dataclass; its fields are its settings.

    The text under a field says what it is and in which unit, and ``Annotated[..., Field(gt=0)]`` bounds it. A
    field with ``metadata=HIDDEN`` is not a setting: something is put there before the method works, such as
    embeddings.
    """

    name: ClassVar[str]
    """Its name for users."""
    about: ClassVar[str] = ""
    """What it does, in a phrase."""
    source: ClassVar[str] = ""
    """Authors, year and arXiv number of the paper."""
    cost: ClassVar[Cost] = "text"
    """What makes it expensive."""
    needs: ClassVar[str] = ""
    """What it needs beyond the light core: extras, a model, an endpoint, a target set."""
    version: ClassVar[int] = 1
    """Raised with every change that may alter the result of the same input, and only then."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """The distributions whose versions may change a result, such as ``torch``."""
    listed: ClassVar[bool] = True
    """Whether users can name it. Others serve a method, such as the signatures of near-duplicates."""
    variants: ClassVar[Mapping[str, str]] = {}
    """Where one class is several methods: what each does, by name. The field ``name`` says
    which one an instance is.
    """

    @classmethod
    def called(cls, given: str) -> str:
        """The name of the method that users call ``given``: a variant is its own, a class
        from a file has one inside.
        """
        return given if given in cls.variants else cls.name


HIDDEN: Mapping[str, object] = {"setting": False}
"""Metadata of a field that is not a setting."""
LATER: Mapping[str, Any] = {"later": True}
"""Metadata of a field that scorers did not have in run folders of layout 1, whose names hold every field."""
Made = TypeVar("Made", bound=Method)
Given = TypeVar("Given")


def called(name: str) -> dict[str, object]:
    """Metadata of a field whose setting has another name."""
    return {"setting": name}


def read_by(make: Callable[[Given], object], kind: type[Given], missing: str = "") -> dict[str, object]:
    """Metadata of a field that is made of its setting's value of type ``kind``, such as a target
    set of the name of a file.

    ``missing`` is what is said where the setting is not given.
    """
    return {"make": make, "kind": kind, "missing": missing}


def parts(missing: str = "", **names: str) -> dict[str, object]:
    """Metadata of a field that is a section of settings (a pydantic model), of which a user sets only these:
    each setting's name, and what the section calls it.
    """
    return {"parts": names, "missing": missing}


@dataclass(frozen=True)
class Setting:
    """One setting of a method: its type with bounds, its default, what it is, and the fields that lead to it."""

    name: str
    kind: object
    default: object
    about: str
    path: tuple[str, ...]
    execution: bool = False
    make: Callable[[Any], object] | None = None
    missing: str = ""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is dataclasses.MISSING


@cache
def classes_in(*packages: str) -> tuple[type[Method], ...]:
    """The methods that the modules of these packages define, each module imported once."""
    found = []
    for package in packages:
        home = importlib.import_module(package)
        for entry in sorted(pkgutil.iter_modules(home.__path__), key=lambda one: one.name):
            module = importlib.import_module(f"{package}.{entry.name}")
            classes = [one for one in vars(module).values() if isinstance(one, type)]
            found += [one for one in classes if issubclass(one, Method) and one.__module__ == module.__name__]
    return tuple(one for one in found if dataclasses.is_dataclass(one))


@cache
def settings_of(method: Any) -> tuple[Setting, ...]:
    """The settings of a method in the order of its fields; those of a group of settings, such
    as a model, in its place.
    """
    hints, texts = get_type_hints(method, include_extras=True), _texts(method)
    found: list[Setting] = []
    for one in dataclasses.fields(method):
        meta = one.metadata
        name = meta.get("setting", one.name)
        if not one.init or name is False or (one.name == "name" and getattr(method, "variants", None)):
            continue
        kind = meta.get("kind", hints[one.name])
        if "parts" in meta:
            found += _of_section(one, kind, meta)
            continue
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            fixed = meta.get("fixed", ())
            found += [_within(one.name, inner) for inner in settings_of(kind) if inner.name not in fixed]
            continue
        found.append(
            Setting(
                name,
                kind,
                _default(one),
                texts.get(one.name, ""),
                (one.name,),
                bool(meta.get("execution")),
                meta.get("make"),
                meta.get("missing", ""),
            )
        )
    return tuple(found)


def _of_section(one: dataclasses.Field[Any], kind: type[BaseModel], meta: Mapping[str, Any]) -> list[Setting]:
    texts, default = _texts(kind), _default(one)
    found: list[Setting] = []
    for name, inner in meta["parts"].items():
        field = kind.model_fields[inner]
        value = field.get_default() if default is dataclasses.MISSING else getattr(default, inner)
        first = default is dataclasses.MISSING and not found
        found.append(
            Setting(
                name,
                field.annotation,
                dataclasses.MISSING if first else value,
                texts.get(inner, ""),
                (one.name, inner),
                bool(meta.get("execution")),
                missing=meta["missing"] if first else "",
            )
        )
    return found


def _within(group: str, inner: Setting) -> Setting:
    return dataclasses.replace(inner, path=(group, *inner.path))


def _default(one: dataclasses.Field[Any]) -> Any:
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return one.default


def _texts(method: type) -> dict[str, str]:
    """The docstring under each field, from the source; empty where the source is not available."""
    found: dict[str, str] = {}
    for kind in reversed(method.__mro__):
        found |= _own_texts(kind)
    return found


def _own_texts(method: type) -> dict[str, str]:
    """Those under the fields that the class itself states."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


@cache
def model_of(method: Any) -> type[BaseModel]:
    """The settings of a method as a pydantic model, for checking and for the JSON schema."""
    listed: dict[str, Any] = {}
    for one in settings_of(method):
        default = ... if one.required else one.default
        listed[one.name] = (one.kind, Field(default, description=one.about))
    config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=())
    model: type[BaseModel] = create_model(method.__name__, __config__=config, **listed)
    return model


def make(
    method: type[Made],
    name: str,
    values: Mapping[str, object],
    say: Callable[[str], str] = str,
    beside: Sequence[str] = (),
) -> Made:
    """``method`` with the settings ``values``; ``say`` gives a setting's name as the user writes it.

    ``beside`` are settings that are written in the same place and belong to something else;
    they are only named in hints.

    Raises:
        ConfigError: every setting that it does not take or that has a wrong value, at once.
    """
    kind: Any = method
    known = {one.name: one for one in settings_of(kind)}
    mistakes = [
        f"{say(key)}: '{name}' has no such setting"
        + (f", only {', '.join(known)}." if known else "; it takes none.")
        + did_you_mean(key, list(dict.fromkeys((*known, *beside))))
        for key in values
        if key not in known
    ]
    given = {key: value for key, value in values.items() if key in known}
    lacking = [one for one in known.values() if one.required and one.name not in given]
    mistakes += [f"{say(one.name)}: {_needed(name, one)}" for one in lacking]
    try:
        checked = dict(model_of(kind)(**{one.name: None for one in lacking} | given))
    except ValidationError as error:
        names = {one.name for one in lacking}
        mistakes += [_wrong(one, say) for one in error.errors() if one["loc"][0] not in names]
        checked = {}
    if mistakes:
        raise ConfigError(*mistakes)
    return _build(method, name, [(known[key], checked[key]) for key in given])


def _needed(name: str, setting: Setting) -> str:
    about = setting.about.partition("\n")[0].rstrip(".")
    return f"'{name}' {setting.missing or f'needs this setting: {about[:1].lower()}{about[1:]}.'}"


def _wrong(error: ErrorDetails, say: Callable[[str], str]) -> str:
    name, given = str(error["loc"][0]), error["input"]
    if error["type"] == "literal_error":
        allowed = [one.strip(" '") for one in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{say(name)}: cannot be '{given}'.{did_you_mean(str(given), allowed)}"
    return f"{say(name)}: {given!r} {error['msg'][0].lower()}{error['msg'][1:]}."


def _build(method: type[Made], name: str, given: Sequence[tuple[Setting, object]]) -> Made:
    """The instance, with its groups of settings."""
    direct: dict[str, object] = {"name": name} if method.variants else {}
    groups: dict[str, dict[str, object]] = {}
    for setting, value in given:
        made = value if setting.make is None or value is None else setting.make(value)
        if len(setting.path) > 1:
            groups.setdefault(setting.path[0], {})[setting.path[1]] = made
        else:
            direct[setting.path[0]] = made
    hints = get_type_hints(method)
    by_name = {one.name: one for one in dataclasses.fields(method)}  # type: ignore[arg-type]
    for group, inside in groups.items():
        default, kind = _default(by_name[group]), hints[group]
        if default is dataclasses.MISSING:
            direct[group] = kind(**inside)
        elif isinstance(default, BaseModel):
            direct[group] = default.model_copy(update=inside)
        else:  # what the group fixes stays
            direct[group] = dataclasses.replace(default, **inside)
    return method(**direct)
