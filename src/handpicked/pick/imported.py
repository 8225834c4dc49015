"""Which modules make a score: the scorer's own and what it imports of ours, so that a change of their code is noticed."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path

FOLLOWED = ("handpicked.score.", "handpicked.models.", "handpicked.endpoint")
DEAF = (
    "handpicked.score.pool_scorer",
    "handpicked.score.scorer",
    "handpicked.models.journal",
    "handpicked.models.quiet",
)
"""Contracts and plumbing: no value depends on them."""


@lru_cache(maxsize=64)
def modules_behind(module: str) -> tuple[str, ...]:
    """``module`` and every scorer, model and endpoint module that it imports, directly or not, sorted."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one for one in _imports(name) if one.startswith(FOLLOWED) and one not in DEAF]
    return tuple(sorted(found))


def _imports(module: str) -> list[str]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    ]
