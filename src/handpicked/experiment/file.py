"""Reads an experiment file into an ``Experiment``, or reports all of its mistakes at once with their lines."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from handpicked.config import Experiment, PromptSettings
from handpicked.data.files.safe_yaml import checked
from handpicked.errors import ConfigError, did_you_mean, first_line
from handpicked.experiment import lineup as arms
from handpicked.experiment.places import beside, experiment_file
from handpicked.records import Json

Location = tuple[str | int, ...]


Check = Callable[[Experiment], Sequence[tuple[Location, str]]]


def load(path: str | Path, overrides: Sequence[str] = (), *, also: Check = lambda _: ()) -> Experiment:
    """The experiment in the file ``path``, or the shipped one of that name, with ``key.sub=value`` overrides
    applied (values are YAML; paths in them are relative to the current folder).

    ``also`` adds mistakes that only the stages can find, such as an unknown selector, each with its location.
    Raises ConfigError with all mistakes: file, line, field, what is wrong, what was probably meant.
    """
    path = experiment_file(Path(path))
    text = _read(path)
    document, lines = _parse(path, text)
    document = _expand(document, path)
    beside(document, path.parent)
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}: an experiment is a mapping of fields such as 'name', 'pool' and 'arms'; this is not."
        )
    origins = _override(document, overrides)

    def place(location: Location) -> str:
        for length in range(len(location), 0, -1):
            if location[:length] in origins:
                return f"--set {origins[location[:length]]}"
            if location[:length] in lines:
                return f"{path}, line {lines[location[:length]]}"
        return str(path)

    found: list[tuple[Location, str]] = []
    experiment: Experiment | None = None
    try:
        experiment = Experiment.model_validate(document)
    except ValidationError as error:
        found = [(_of_document(e["loc"], document), _explain(e)) for e in error.errors()]
        mended = _without(document, error)
    else:
        mended = experiment
    if mended is not None:
        wrong = [location for location, _ in found]
        for location, mistake in (*_cross_check(mended), *also(mended)):
            if not any(bad[: len(location)] == location for bad in wrong):
                found.append((location, mistake))
    if found or experiment is None:
        raise ConfigError(*dict.fromkeys(f"{place(location)}: {mistake}" for location, mistake in found))
    return experiment


def _without(document: Json, error: ValidationError) -> Experiment | None:
    """The experiment with its mistaken fields left out, so that the rest can be checked too;
    None if that is not enough.
    """
    kept = copy.deepcopy(document)
    for mistake in error.errors():
        location = _of_document(mistake["loc"], document)
        target: Any = kept
        for part in location[:-1]:
            target = (
                target[part]
                if (isinstance(target, dict) and part in target) or isinstance(part, int)
                else None
            )
        if not isinstance(target, dict) or not location:
            continue
        if mistake["type"] == "missing" or location == ("name",):
            target[location[-1]] = "missing"
        else:
            target.pop(location[-1], None)
    try:
        return Experiment.model_validate(kept)
    except ValidationError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings)
        raise ConfigError(f"There is no experiment file {path}.{hint}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; name an experiment file (.yaml).") from None
    except PermissionError:
        raise ConfigError(f"{path} cannot be read: permission denied.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text (byte {error.start}); is it an experiment file?"
        ) from None


def _parse(path: Path, text: str) -> tuple[object, dict[Location, int]]:
    """The YAML document and the line (from 1) of every field in it."""
    try:
        node, document = checked(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{line}: this is not YAML ({getattr(error, 'problem', None) or first_line(error)})."
        ) from None
    lines: dict[Location, int] = {}
    repeated: list[str] = []
    if node is not None:
        _note_lines(node, (), lines, repeated, path)
    if repeated:
        raise ConfigError(*repeated)
    return document, lines


def _expand(value: object, path: Path) -> object:
    """``${NAME}`` and ``${NAME:-otherwise}`` in texts, from the environment."""
    if isinstance(value, dict):
        return {key: _expand(part, path) for key, part in value.items()}
    if isinstance(value, list):
        return [_expand(part, path) for part in value]
    if not isinstance(value, str):
        return value

    def of_environment(match: re.Match[str]) -> str:
        name, otherwise = match.group(1), match.group(2)
        known = os.environ.get(name) or otherwise
        if known is None:
            raise ConfigError(f"{path}: the environment variable {name} is not set; '{value}' needs it.")
        return known

    return re.sub(r"\$\{(\w{1,200})(?::-([^}]{0,4000}))?\}", of_environment, value)


def _note_lines(
    node: yaml.Node, at: Location, lines: dict[Location, int], repeated: list[str], path: Path
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if here in lines:
                repeated.append(
                    f"{path}, line {key.start_mark.line + 1}: '{key.value}' is given twice; keep one."
                )
            lines[here] = key.start_mark.line + 1
            _note_lines(value, here, lines, repeated, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            item = (*at, index)
            lines[item] = value.start_mark.line + 1
            _note_lines(value, item, lines, repeated, path)


def _override(document: Json, overrides: Sequence[str]) -> dict[Location, str]:
    """Apply ``key.sub=value`` and return the override that each path came from. ``pool=FILE`` is
    short for ``pool.path=FILE``.
    """
    origins: dict[Location, str] = {}
    mistakes = _unknown_arms(document, overrides)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            mistakes.append(f"--set {override}: write it as key=value, for example --set train.epochs=1")
            continue
        parts = ["pool", "path"] if key == "pool" else key.split(".")
        try:
            _, value = checked(text)
        except yaml.YAMLError:
            value = text
        target: Any = document
        for part in parts[:-1]:
            if isinstance(target, list) and part.isdigit() and int(part) < len(target):
                target = target[int(part)]
            elif isinstance(target, dict):
                if not isinstance(target.get(part), dict | list):
                    target[part] = {}
                target = target[part]
            else:
                mistakes.append(f"--set {override}: there is no '{part}' to set.")
                break
        else:
            _assign(target, parts[-1], value, override, mistakes)
        location: Location = tuple(int(part) if part.isdigit() else part for part in parts)
        origins[location] = override
    if mistakes:
        raise ConfigError(*mistakes)
    return origins


def _unknown_arms(document: Json, overrides: Sequence[str]) -> list[str]:
    """Overrides of arms that neither the file nor an override of ``arms.NAME`` or ``arms.NAME.by`` makes: a
    misspelt name would be one more arm.
    """
    paths = [(override, override.partition("=")[0].split(".")) for override in overrides]
    made = {path[1] for _, path in paths if path[0] == "arms" and path[2:] in ([], ["by"]) and path[1:]}
    there = document.get("arms")
    known = made | set(there if isinstance(there, dict) else ())
    return [
        f"--set {override}: there is no arm '{path[1]}'.{did_you_mean(path[1], known)}"
        for override, path in paths
        if path[0] == "arms" and len(path) > 2 and path[1] not in known
    ]


def _assign(target: object, key: str, value: object, override: str, mistakes: list[str]) -> None:
    if isinstance(target, list) and key.isdigit() and int(key) < len(target):
        target[int(key)] = value
    elif isinstance(target, dict):
        target[key] = value
    else:
        mistakes.append(f"--set {override}: there is no '{key}' to set.")


def _of_document(location: Sequence[str | int], document: Any) -> Location:
    """Pydantic's location without the parts it adds for unions and key checks."""
    kept: list[str | int] = []
    value = document
    for part in location:
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            kept.append(part)
            value = value[part]
        elif value is not None and not isinstance(value, dict | list):
            break
        else:
            kept.append(part)
            value = None
    return tuple(kept)


KINDS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "fields with values (name: value)",
    "model": "fields with values (name: value)",
}
"""What a value must be, by pydantic's name for the mistake."""


def _explain(error: ErrorDetails) -> str:
    """One of pydantic's errors as a sentence for the writer of the file."""
    location = error["loc"]
    name = ".".join(str(part) for part in location if part != "[key]")
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"'{name}' is not a field here.{did_you_mean(str(location[-1]), _fields_at(location[:-1]))}"
    if kind == "missing":
        return f"'{name}' is missing; it must be given."
    if kind == "literal_error":
        known = error["ctx"]["expected"].replace("'", "")
        return f"'{name}' is {error['input']!r}, which is none of: {known}."
    if kind == "value_error":
        return f"{error['ctx']['error']}."
    wanted = next((words for end, words in KINDS.items() if kind == f"{end}_type"), None)
    if wanted is not None and _of_union(location):
        name, wanted = name.removesuffix(f".{location[-1]}"), "a text, or a list of texts"
    if wanted is not None:
        return f"'{name}' is {json.dumps(error['input'], default=str)}; it must be {wanted}."
    message = error["msg"][0].lower() + error["msg"][1:]
    return f"'{name}' is {error['input']!r}: {message}."


def _of_union(location: Sequence[str | int]) -> bool:
    """Whether a location ends in pydantic's name for one of several types that a field may have."""
    return str(location[-1]) in ("str", "tuple[str, ...]")


def _fields_at(location: Sequence[str | int]) -> list[str]:
    """The field names of the model that sits at ``location``."""
    model: type[BaseModel] = Experiment
    for part in location:
        if isinstance(part, int):
            continue
        fields = model.model_fields
        if part in fields:
            inner = _models_in(fields[part].annotation)
            if inner:
                model = inner[0]
    return list(model.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _cross_check(experiment: Experiment) -> list[tuple[Location, str]]:
    """Mistakes in the combination of fields."""
    mistakes = arms.mistakes(experiment)
    seen: set[str] = set()
    for index, prompts in enumerate(experiment.evaluate.prompts):
        at = ("evaluate", "prompts", index)
        if prompts.name in seen:
            mistakes.append((at, f"two test sets are named '{prompts.name}'; names must differ."))
        seen.add(prompts.name)
        mistakes += [((*at, *place), what) for place, what in _of_prompts(prompts, experiment)]
    return mistakes


def _of_prompts(prompts: PromptSettings, experiment: Experiment) -> Iterator[tuple[Location, str]]:
    """A test set is a file, or the held-out part of a pool that has one."""
    if prompts.pool is not None and prompts.path is not None:
        yield ("pool",), f"test set '{prompts.name}' has both 'path' and 'pool'; keep one."
    elif prompts.pool is not None and prompts.pool not in experiment.pools:
        hint = did_you_mean(prompts.pool, experiment.pools)
        yield (
            ("pool",),
            f"test set '{prompts.name}' names a pool '{prompts.pool}' that is not in 'pools'.{hint}",
        )
    elif prompts.pool is not None and not experiment.pools[prompts.pool].hold_out:
        yield (
            (),
            f"test set '{prompts.name}' needs 'pools.{prompts.pool}.hold_out', "
            "the number of rows to hold out.",
        )
    elif prompts.path is None and prompts.pool is None and prompts.name != "held-out":
        yield (), f"test set '{prompts.name}' needs 'path'; only 'held-out' comes from the pool."
    elif prompts.path is None and prompts.pool is None and not experiment.pool.hold_out:
        yield (), "test set 'held-out' needs 'pool.hold_out', the number of rows to hold out."
