"""Tool calls whose arguments are not JSON, or do not fit the declared schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from handpicked.guards.lint import Lint
from handpicked.guards.tool_use import calls_of, declared, found_in_turns
from handpicked.records import Message, ToolCall

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


LONGEST = 200
"""Characters of a finding."""
PYTHON_TYPES: Mapping[str, str] = {
    "dict": "object", "list": "array", "tuple": "array", "str": "string", "int": "integer", "float": "number",
    "double": "number", "bool": "boolean", "NoneType": "null",
}  # fmt: skip
"""Names of types that data sets write for those of JSON schema."""
JSON_TYPES = frozenset(("object", "array", "string", "integer", "number", "boolean", "null"))


@dataclass(frozen=True)
class ToolArguments(Lint):
    """Drops rows with a tool call whose arguments are not a JSON object, or do not fit the schema that the
    row declares for that tool (JSON schema, by the library jsonschema).

    A schema that cannot be understood is ignored, and a tool without one takes any object. A ``$ref`` to
    another document is never fetched.
    """

    name: ClassVar[str] = "tool-arguments"
    about: ClassVar[str] = (
        "drops rows with tool calls whose arguments are not JSON or do not fit their schema"
    )
    version: ClassVar[int] = 1  # raise it when other rows are dropped
    libraries: ClassVar[tuple[str, ...]] = ("jsonschema",)
    audited: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = ("tool_turns",)
    fault: ClassVar[str] = "a tool call's arguments are not JSON, or do not fit the declared schema"

    def find(self, batch: pa.RecordBatch) -> pa.Array:
        return found_in_turns(batch["tool_turns"], misfit)


def misfit(turns: Sequence[Message]) -> str | None:
    """The first call whose arguments are wrong, and what is wrong with them."""
    calls = [call for turn in turns for call in calls_of(turn)]
    if not calls:
        return None
    schemas = declared(turns).schemas
    wrong = (_wrong(call, schemas.get(call.name)) for call in calls)
    return next((found[:LONGEST] for found in wrong if found is not None), None)


def _wrong(call: ToolCall, schema: object) -> str | None:
    if not call.name and not call.arguments.startswith(("{", "[")):
        return None  # a call in another notation (XML)
    name = call.name or "a call"
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError) as error:
        return f"{name}: no JSON: {error if isinstance(error, ValueError) else 'nested too deeply'}"
    if not call.name:
        return "a call has no name"
    if not isinstance(value, dict):
        return f"{name}: arguments are not an object"
    found = None if schema is None else _first_error(json.dumps(schema, sort_keys=True), value)
    return None if found is None else f"{name}: {found}"


def _first_error(schema: str, value: object) -> str | None:
    """Where and why a value does not fit; None where it does, and where the schema is not usable."""
    from jsonschema import ValidationError
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error: ValidationError | None = best_match(_validator(schema).iter_errors(value))
    except (Unresolvable, RecursionError, TypeError, ValueError, AttributeError, KeyError):
        return None  # the schema is none: it refers to nothing, or its keywords have values of other types
    if error is None:
        return None
    return f"{error.json_path.removeprefix('$.')}: {error.message}" if error.path else error.message


@lru_cache(maxsize=1024)
def _validator(schema: str) -> Validator:
    """A validator of a JSON schema. It fetches nothing, and matches patterns in time linear to the text
    (RE2), so that no row can stop the work.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    made: type[Validator] = extend(Draft202012Validator, {"pattern": _pattern, "patternProperties": None})
    return made(_with_json_types(json.loads(schema)), registry=Registry())


def _pattern(validator: object, pattern: str, instance: object, schema: object) -> Iterator[object]:
    from jsonschema import ValidationError

    if not isinstance(instance, str) or not isinstance(pattern, str):
        return
    try:
        matches = pc.match_substring_regex(pa.scalar(instance, pa.large_string()), pattern).as_py()
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return  # a pattern that RE2 does not read, such as one that looks ahead
    if not matches:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _with_json_types(schema: object) -> object:
    """The schema with JSON's names for Python's types, and without types that are none."""
    if isinstance(schema, list):
        return [_with_json_types(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {key: _with_json_types(value) for key, value in schema.items()}
    kinds = found.get("type")
    if isinstance(kinds, str | list):
        named = [
            PYTHON_TYPES.get(one, one)
            for one in ([kinds] if isinstance(kinds, str) else kinds)
            if isinstance(one, str)
        ]
        if JSON_TYPES.issuperset(named):
            found["type"] = named
        else:
            del found["type"]
    return found
