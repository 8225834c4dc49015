"""What every section of the experiment file is, and which of its fields a result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

EXECUTION: dict[str, object] = {"execution": True}
"""Marks a field that says how the work is done and changes no result: it is not part of any fingerprint. For
a field of a section (``json_schema_extra``) and for one of a dataclass that holds settings (``metadata``).
"""
LATER: dict[str, Any] = {"later": True}
"""Marks a field of a dataclass that was added when results had already been kept: at its default, with which
they were made, it is not part of any fingerprint.
"""


def result_settings(settings: Any) -> Any:
    """Settings (a section, or a dataclass or container of them) as plain JSON, without those marked
    ``EXECUTION``, at any depth, and those marked ``LATER`` that are at their default.
    """
    if isinstance(settings, BaseModel) and settings.model_extra:
        plain = type(settings).model_validate(settings.model_dump(include=set(type(settings).model_fields)))
        return {**result_settings(plain), **result_settings(settings.model_extra)}
    if isinstance(settings, BaseModel):
        listed = type(settings).model_fields.items()
        counting = [name for name, field in listed if field.json_schema_extra != EXECUTION]
    elif is_dataclass(settings) and not isinstance(settings, type):
        counting = [
            one.name
            for one in fields(settings)
            if not one.metadata.get("execution")
            and not (one.metadata.get("later") and getattr(settings, one.name) == one.default)
        ]
    elif isinstance(settings, Mapping):
        return {key: result_settings(value) for key, value in settings.items()}
    elif isinstance(settings, list | tuple):
        return [result_settings(value) for value in settings]
    else:
        return settings
    return {name: result_settings(getattr(settings, name)) for name in counting}


class Strict(BaseModel):
    """A section of the experiment file: no unknown fields. Numbers may come as text,
    because YAML reads 2e-5 as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
