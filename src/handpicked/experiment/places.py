"""The location of an experiment file, and of the files that it names.

A relative path in an experiment file begins at the folder of that file; where nothing is there, at the
current folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handpicked.errors import ConfigError, did_you_mean
from handpicked.judges import shipped_judges

SHIPPED = Path(__file__).parent / "shipped"
"""The experiments that come with handpicked."""

FILES: Sequence[tuple[str, ...]] = (
    ("pool", "path"),
    ("pools", "*", "path"),
    ("model", "name"),
    ("models", "*", "name"),
    ("arms", "*", "by"),
    ("arms", "*", "field"),
    ("arms", "*", "prompts"),
    ("arms", "*", "tokenizer"),
    ("arms", "*", "refine", "prompt"),
    *(
        ("arms", "*", "score", name)
        for name in ("target", "checkpoint", "model", "quality_model", "prompt", "quality_prompt", "embedder")
    ),
    ("evaluate", "prompts", "*", "path"),
    ("evaluate", "prompts", "*", "references", "path"),
    ("evaluate", "judges", "*", "name"),
    ("evaluate", "bench", "data"),
)
"""The fields that may name a file or a folder; ``*`` is any name or position."""


def shipped_experiments() -> list[str]:
    """The names of the experiments that come with handpicked."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def experiment_file(given: Path) -> Path:
    """The file of an experiment that is given by its path, or by name where it comes with handpicked.

    Raises:
        ConfigError: there is neither such a file nor such a name.
    """
    names = shipped_experiments()
    if given.is_file() or given.suffix or len(given.parts) != 1:
        return given
    if given.name in names:
        return SHIPPED / f"{given.name}.yaml"
    if given.is_dir():
        raise ConfigError(f"{given} is a folder; name an experiment file (.yaml).")
    raise ConfigError(
        f"There is no experiment file {given}, and none of that name comes with handpicked: these are "
        f"{', '.join(names)}.{did_you_mean(given.name, names)}"
    )


def beside(document: object, folder: Path) -> None:
    """Let every relative path of the experiment in ``document`` that leads somewhere from ``folder`` begin
    there.
    """
    if folder == Path():
        return
    for fields in FILES:
        for owner, key in _places(document, fields):
            owner[key] = _from(owner[key], folder)


def _places(node: Any, fields: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """Each place of the document that ``fields`` lead to: what holds it, and its key there."""
    if isinstance(node, dict):
        keys: Sequence[str | int] = (
            list(node) if fields[0] == "*" else [fields[0]] if fields[0] in node else []
        )
    else:
        keys = range(len(node)) if isinstance(node, list) and fields[0] == "*" else []
    for key in keys:
        if len(fields) == 1:
            yield node, key
        else:
            yield from _places(node[key], fields[1:])


def _from(value: object, folder: Path) -> object:
    """A path, several paths, or a method in a user's file, with or without settings."""
    if isinstance(value, list):
        return [_from(one, folder) for one in value]
    if isinstance(value, dict):
        return {_from(name, folder): settings for name, settings in value.items()}
    if not isinstance(value, str) or not value or "://" in value or value.startswith("~"):
        return value
    if Path(value).is_absolute() or value in shipped_judges():
        return value
    file, mark, method = value.partition(".py:")
    joined = f"{folder / file}{mark}{method}"
    return joined if _leads_somewhere(folder, f"{file}.py" if mark else file) else value


def _leads_somewhere(folder: Path, name: str) -> bool:
    try:
        return (folder / name).exists() or (any(mark in name for mark in "*?[") and any(folder.glob(name)))
    except (OSError, ValueError):  # too long for a name, or no pattern: it is refused where it is read
        return False
