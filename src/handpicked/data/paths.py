"""Finds the data files that the user named: a file, several, a glob, a folder, a
saved ``datasets`` folder.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Sequence
from pathlib import Path

from handpicked.data.archive import unpacked
from handpicked.data.container import SUFFIXES, is_data
from handpicked.data.remote import fetch, is_remote
from handpicked.data.spool import spooled
from handpicked.errors import PoolError, did_you_mean

SPLIT = re.compile(r"(train|test|validation|valid|val|dev|eval)(?=[-_.]|$)", re.IGNORECASE)
"""How the name of a file or folder begins that is one split of a data set."""


def files(paths: str | Path | Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """The files to read, in order, and remarks on what was taken. Raises PoolError where
    there is nothing to read.
    """
    asked = [paths] if isinstance(paths, str | Path) else list(paths)
    if not asked:
        raise PoolError("no file was given to read")
    found: list[Path] = []
    remarks: list[str] = []
    for name in asked:
        found += _expand(str(name), remarks)
    twice = (
        next((path for index, path in enumerate(found) if path in found[:index]), None)
        if len(found) < 1000
        else None
    )
    if twice is not None:
        raise PoolError(f"{twice} is given twice; its rows would count double")
    return found, remarks


def _expand(name: str, remarks: list[str]) -> list[Path]:
    if is_remote(name):
        return fetch(name)
    path = Path(name).expanduser()
    if _is_there(path) and path.is_dir():
        return _folder(path, remarks)
    if _is_there(path):
        return [_readable(file) for file in _file(spooled(path), remarks)]
    if glob.has_magic(name):
        matched = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 (may be absolute)
        if not matched:
            raise PoolError(f"{name}: no file matches this pattern")
        return [_readable(file) for file in matched if file.is_file()]
    near = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = did_you_mean(path.name, near)
    raise PoolError(f"{name}: there is no such file or folder.{guess if guess.startswith(' Did') else ''}")


def _file(path: Path, remarks: list[str]) -> list[Path]:
    """The file, or the data files that an archive holds."""
    members = unpacked(path) if path.is_file() else None
    if members is None:
        return [path]
    remarks.append(f"{len(members)} data files of {path.name} are read")
    return members


def _folder(folder: Path, remarks: list[str]) -> list[Path]:
    if (folder / "dataset_dict.json").is_file():
        return _splits(folder, remarks)
    if (folder / "state.json").is_file():
        return _saved(folder)
    found = sorted(path for path in folder.rglob("*") if path.is_file() and is_data(path.relative_to(folder)))
    if not found:
        seen = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
        raise PoolError(
            f"{folder}: no data file ({', '.join(SUFFIXES)}) in this folder; it holds {seen or 'nothing'}"
        )
    return [_readable(path) for path in _of_train(folder, found, remarks)]


def _of_train(folder: Path, files: list[Path], remarks: list[str]) -> list[Path]:
    """The files of the split ``train``, where others are named as held out, as on
    the hub; else all of them.
    """
    splits = {path: split for path in files if (split := _split(path.relative_to(folder))) is not None}
    held_out = [path for path, split in splits.items() if split != "train"]
    if not held_out or "train" not in splits.values():
        return files
    names = ", ".join(dict.fromkeys(splits[path] for path in held_out))
    remarks.append(
        f"the {names} split of {folder} ({len(held_out)} files) is held out for evaluation and left "
        "out; name its files to read them"
    )
    return [path for path in files if path not in held_out]


def _split(path: Path) -> str | None:
    """The split that the name of a file or of its folder says, such as
    ``test-00000-of-00001.parquet`` or ``test/0.jsonl``.
    """
    found = (SPLIT.match(part) for part in (path.name, *reversed(path.parts[:-1])))
    return next((one[1].lower() for one in found if one is not None), None)


def _is_there(path: Path) -> bool:
    """Whether there is something of that name. Raises PoolError where the system cannot say."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # links in a circle, a name too long, one with a zero byte
        raise PoolError(
            f"{_short(path)} cannot be looked up: {getattr(error, 'strerror', None) or error}"
        ) from error
    return True


def _short(path: Path, limit: int = 120) -> str:
    name = str(path)
    return name if len(name) <= limit else f"{name[: limit // 2]}...{name[-limit // 3 :]}"


def _readable(path: Path) -> Path:
    """The path. Raises PoolError for one whose bytes are no UTF-8: what is written could not mention it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        name = str(path).encode("utf-8", "surrogateescape")
        raise PoolError(f"{name!r}: the name of this file is no UTF-8; rename it") from error
    return path


def _saved(folder: Path) -> list[Path]:
    """The Arrow files of a folder written by ``Dataset.save_to_disk``, in their order."""
    try:
        state = json.loads((folder / "state.json").read_text("utf-8"))
        return [folder / part["filename"] for part in state["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PoolError(f"{folder / 'state.json'} is not what datasets writes: {error}") from error


def _splits(folder: Path, remarks: list[str]) -> list[Path]:
    """The train split of a folder written by ``DatasetDict.save_to_disk``, or its only split."""
    splits = sorted(path.parent.name for path in folder.glob("*/state.json"))
    taken = "train" if "train" in splits else splits[0] if len(splits) == 1 else None
    if taken is None:
        raise PoolError(
            f"{folder} is a saved DatasetDict with the splits "
            f"{', '.join(splits) or 'none'}; name one: {folder}/SPLIT"
        )
    remarks.append(f"the split '{taken}' of {', '.join(splits)} was taken")
    return _saved(folder / taken)
