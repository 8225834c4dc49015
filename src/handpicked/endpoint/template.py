"""Prompt templates, filled in one pass, with fences that no inserted text can close."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

SHORTEST_FENCE = 8
FIELD = re.compile(r"\{(\w+)\}")


def fence(*texts: str) -> str:
    """A run of ``=`` longer than any in the texts, so that no text can close its own fence or open another.

    It depends on the texts alone: equal texts give equal prompts in every run.
    """
    whole = "\n".join(texts)
    longest = max(map(len, re.findall("=+", whole))) if "=" in whole else 0
    return "=" * max(SHORTEST_FENCE, longest + 1)


def fill(template: str, values: Mapping[str, str]) -> str:
    """``{name}`` replaced by its value, in one pass: braces inside the values, or of
    other names, stay as they are.
    """
    parts = _parts(template).copy()
    parts[1::2] = [values.get(name, f"{{{name}}}") for name in parts[1::2]]
    return "".join(parts)


@lru_cache(maxsize=64)
def _parts(template: str) -> list[str]:
    """Texts and, between them, names: a template is filled thousands of times."""
    return FIELD.split(template)


def fields(template: str) -> set[str]:
    """The names in braces."""
    return set(FIELD.findall(template))


def shortened(text: str, limit: int) -> str:
    """The beginning of a text, at most ``limit`` characters; the cut is marked, so that
    nobody takes it for the end.
    """
    return (
        text if len(text) <= limit else f"{text[:limit]}\n[cut here after {limit} of {len(text)} characters]"
    )
