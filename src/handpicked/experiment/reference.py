"""The reference of methods and the experiment file, made from the classes: a Markdown page and the JSON
schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handpicked.catalogue import GUARDS, SCORERS, SELECTORS
from handpicked.config import ArmSettings, Experiment, ScoreSettings
from handpicked.experiment.methods import Entry, listed
from handpicked.method import model_of
from handpicked.records import Json

HEAD = """# All methods

Generated from the classes by `python tools/reference.py`; do not edit. `handpicked methods NAME` shows the same.
"""


def methods_page() -> str:
    """The Markdown page of all methods with their settings."""
    parts = [HEAD]
    for kind, entries in listed().items():
        parts.append(f"## {kind}\n")
        parts += [_section(entry) for entry in entries]
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    facts = {
        "source": entry.source, "cost": entry.cost, "needs": entry.needs, "unit": entry.unit,
        "better end": entry.better, "columns": ", ".join(f"`{one}`" for one in entry.columns),
    }  # fmt: skip
    said = entry.about.rstrip(".")
    lines = [f"### {entry.name}\n", f"{said[:1].upper()}{said[1:]}.\n"]
    lines += [f"- {key}: {value}" for key, value in facts.items() if value]
    if entry.settings:
        lines += ["", "| setting | type | default | what it is |", "|---|---|---|---|"]
    for one in entry.settings:
        about, kind = " ".join(one.about.split()), one.type.replace("|", "or")
        default = "" if one.type == "needed" else f"`{one.default}`"
        lines.append(f"| `{one.name}` | {kind} | {default} | {about} |")
    return "\n".join([*lines, ""])


def experiment_schema() -> Json:
    """The JSON schema of the experiment file. An arm's ``by`` takes a name, or a name with the settings of
    that method; the settings may also be given next to ``by``.
    """
    schema = Experiment.model_json_schema()
    arm = schema["$defs"][ArmSettings.__name__]
    arm["properties"].pop("options")
    methods = {name: _settings(one) for name, one in {**SCORERS.shipped, **SELECTORS.shipped}.items()}
    selecting = {name: methods[name] for name in SELECTORS.shipped}
    named = {"type": "object", "minProperties": 1, "maxProperties": 1, "properties": selecting}
    arm["properties"]["by"] = {
        "description": arm["properties"]["by"].get("description", ""),
        "anyOf": [{"type": "string", "examples": ["none", *methods]}, named],
        "default": "longest",
    }
    arm["properties"]["guards"]["items"] = {
        "anyOf": [{"type": "string", "examples": GUARDS.names}, _guards()]
    }
    arm["properties"] |= _beside(selecting.values(), arm["properties"])
    score = schema["$defs"][ScoreSettings.__name__]
    scorers = (methods[name] for name in SCORERS.shipped)
    score["properties"] |= _beside(scorers, score["properties"])
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "handpicked experiment"
    return schema


def _guards() -> Json:
    """A guard with its settings."""
    named = {name: _settings(GUARDS.shipped[name]) for name in GUARDS.shipped}
    return {"type": "object", "minProperties": 1, "maxProperties": 1, "properties": named}


def _settings(method: Any) -> Json:
    schema: Json = model_of(method).model_json_schema()
    schema.pop("title", None)
    return schema


def _beside(methods: Iterable[Json], taken: Json) -> Json:
    """The settings of all methods; a name that has several meanings takes any of them."""
    found: dict[str, list[Json]] = {}
    for method in methods:
        for name, one in method.get("properties", {}).items():
            plain = {key: value for key, value in one.items() if key not in ("title", "default")}
            if name not in taken and plain not in found.setdefault(name, []):
                found[name].append(plain)
    return {name: several[0] if len(several) == 1 else {"anyOf": several} for name, several in found.items()}
