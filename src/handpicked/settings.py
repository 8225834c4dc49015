"""Turns command-line options into settings, with mistakes as sentences that name the option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from handpicked.config import ScoreSettings
from handpicked.errors import ConfigError, did_you_mean

Settings = TypeVar("Settings", bound=BaseModel)


def settings_of(model: type[Settings], values: Mapping[str, object], prefix: str | None = None) -> Settings:
    """``model`` filled from options of the same names, or from settings that are called
    ``prefix`` and their name.

    Raises ConfigError with every mistaken one at once.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        known = list(model.model_fields)
        raise ConfigError(*(_explain(mistake, prefix, known) for mistake in error.errors())) from None


def assigned(assignments: Sequence[str]) -> tuple[dict[str, object], dict[str, object]]:
    """``NAME=VALUE`` and ``score.NAME=VALUE`` (values are YAML): the settings of the method,
    and those of its scorers.

    Raises ConfigError for an assignment of another shape.
    """
    method: dict[str, object] = {}
    scorers: dict[str, object] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"--set {text}: write it as NAME=VALUE or score.NAME=VALUE, for "
                "example --set score.max_length=512"
            )
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            read = value
        (scorers if key.startswith("score.") else method)[key.removeprefix("score.")] = read
    return method, scorers


def score_settings(values: Mapping[str, object], **short: object) -> ScoreSettings:
    """The settings of scorers from ``values`` and the options of their own that were given.

    Raises ConfigError for a value that it does not take.
    """
    given = {name: value for name, value in short.items() if value is not None}
    return settings_of(ScoreSettings, {**values, **given}, "score.")


def _explain(error: ErrorDetails, prefix: str | None, known: Sequence[str]) -> str:
    name = str(error["loc"][0])
    option = "--" + name.replace("_", "-") if prefix is None else prefix + name
    given = error["input"]
    if error["type"] == "extra_forbidden":
        return f"{option} is not a setting.{did_you_mean(name, known)}"
    if error["type"] == "literal_error":
        known = [name.strip(" '") for name in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{option} cannot be '{given}'.{did_you_mean(str(given), known)}"
    return f"{option} {given}: {error['msg'][0].lower()}{error['msg'][1:]}."


def mapping_of(option: str, text: str | None) -> dict[str, str] | None:
    """``prompt=question,response=answer`` as a mapping. Raises ConfigError for anything else."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and equals and value.strip() for name, equals, value in pairs):
        raise ConfigError(
            f"{option} {text}: write it as name=field,name=field, for example "
            "prompt=question,response=answer."
        )
    return {name.strip(): value.strip() for name, _, value in pairs}
