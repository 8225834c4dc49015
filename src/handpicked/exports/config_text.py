"""Config files as text: YAML in sections, each under a comment, and flags of a command."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping

import yaml

Sections = Mapping[str, Mapping[str, object]]
"""Keys and values by the comment above them."""


def yaml_text(sections: Sections) -> str:
    """The sections as one YAML document, in their order."""
    parts = []
    for comment, values in sections.items():
        kept = {key: value for key, value in values.items() if value is not None}
        body = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000) if kept else ""
        parts.append(comment_text(comment) + body)
    return "\n".join(parts)


def comment_text(comment: str) -> str:
    """A comment in lines of at most 100 characters."""
    lines = [line for part in comment.splitlines() for line in textwrap.wrap(part, 98)]
    return "".join(f"# {line}\n" for line in lines)


def flags(values: Mapping[str, object]) -> list[str]:
    """Keys and values as the flags of a command, quoted for a shell; true and false as words."""
    found = []
    for key, value in values.items():
        if value is None:
            continue
        words = value if isinstance(value, list) else [value]
        said = [str(one).lower() if isinstance(one, bool) else str(one) for one in words]
        found.append(f"--{key} {shlex.join(said)}")
    return found
