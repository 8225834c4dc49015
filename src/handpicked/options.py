"""Command-line options as settings: what pydantic refuses becomes a sentence that names the option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from handpicked.errors import ConfigError, did_you_mean

Settings = TypeVar("Settings", bound=BaseModel)


def settings_of(model: type[Settings], values: Mapping[str, Any]) -> Settings:
    """``model`` filled from options of the same names. Raises ConfigError with every mistaken option at once."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(*(_explain(mistake) for mistake in error.errors())) from None


def _explain(error: Any) -> str:
    option = "--" + str(error["loc"][0]).replace("_", "-")
    given = error["input"]
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
            f"{option} {text}: write it as name=field,name=field, for example prompt=question,response=answer."
        )
    return {name.strip(): value.strip() for name, _, value in pairs}
