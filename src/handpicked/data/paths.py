"""Finds the data files that the user named: a file, several, a glob, a folder, a
saved ``datasets`` folder, a data set on the hub or in an object store, a named one.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from handpicked.data import hub, layout, named
from handpicked.data.files.archive import unpacked
from handpicked.data.files.container import SUFFIXES
from handpicked.data.found import Found
from handpicked.data.remote import fetch, is_remote
from handpicked.data.spool import given_name, spooled
from handpicked.errors import PoolError, did_you_mean


def files(
    paths: str | Path | Sequence[str | Path], split: str | None = None, config: str | None = None
) -> tuple[list[Found], list[str]]:
    """The files to read, in order, and remarks on what was taken. Of each folder and each data set on the hub
    one split of one config is taken (see ``layout``).

    Raises PoolError where there is nothing to read.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise PoolError("no file was given to read")
    found: list[Found] = []
    remarks: list[str] = []
    for name in given:
        more, notes = _expand(str(name), split, config)
        found += more
        remarks += notes
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            raise PoolError(f"{one.name} is given twice; its rows would count twice")
        seen.add(one.name)
    return found, remarks


def missing(name: str) -> str | None:
    """Why nothing can be read under a name, as far as this machine knows without a request."""
    try:
        if named.is_named(name):
            named.lookup(name)
        elif not is_remote(name) and not _is_there(Path(name).expanduser()) and hub.Place.of(name) is None:
            _local(name, Path(name).expanduser(), [])
    except PoolError as error:
        return str(error)
    return None


def _expand(name: str, split: str | None, config: str | None) -> tuple[list[Found], list[str]]:
    if named.is_named(name):
        _one_file(name, split, config)
        return [named.fetch(name)], []
    local = not is_remote(name) and _is_there(Path(name).expanduser())
    place = None if local else hub.Place.of(name)
    if place is not None:
        return hub.fetch(place, split, config)
    if is_remote(name):
        return fetch(name, split, config)
    remarks: list[str] = []
    path = Path(name).expanduser()
    if local and path.is_dir():
        return _folder(path, split, config, remarks), remarks
    _one_file(name, split, config)
    return [Found(_readable(file), given_name(file)) for file in _local(name, path, remarks)], remarks


def _one_file(name: str, split: str | None, config: str | None) -> None:
    """Raises PoolError where a split or a config is requested of a source that has none."""
    given = [
        f"{word} '{value}'" for word, value in (("split", split), ("config", config)) if value is not None
    ]
    if given:
        raise PoolError(f"{name} has no {given[0]}: it is neither a folder nor a data set on the hub")


def _local(name: str, path: Path, remarks: list[str]) -> list[Path]:
    """The files that a name or a glob means on this machine."""
    if _is_there(path):
        return _file(spooled(path), remarks)
    if glob.has_magic(name):
        matched = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 (may be absolute)
        if not matched:
            raise PoolError(f"{name}: no file matches this pattern")
        return [file for file in matched if file.is_file()]
    near = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = did_you_mean(path.name, near)
    on_hub = (
        f" A data set on the hub is hf://datasets/{name}." if hub.BARE.fullmatch(name) else named.hint(name)
    )
    raise PoolError(
        f"{name}: there is no such file or folder.{guess if guess.startswith(' Did') else on_hub}"
    )


def _file(path: Path, remarks: list[str]) -> list[Path]:
    """The file, or the data files that an archive holds."""
    members = unpacked(path) if path.is_file() else None
    if members is None:
        return [path]
    remarks.append(f"{len(members)} data files of {path.name} are read")
    return members


def _folder(folder: Path, split: str | None, config: str | None, remarks: list[str]) -> list[Found]:
    if (folder / "dataset_dict.json").is_file():
        return [Found.here(path) for path in _splits(folder, split, remarks)]
    if (folder / "state.json").is_file():
        return [Found.here(path) for path in _saved(folder, split)]
    below = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    card = _card(folder)
    names, more = layout.chosen(list(below), card, str(folder), split, config)
    remarks += more
    if not names:
        seen = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
        raise PoolError(
            f"{folder}: no data file ({', '.join(SUFFIXES)}) in this folder; it holds {seen or 'nothing'}"
        )
    stated = layout.licence(card)
    origin = {} if stated is None else {"licence": stated}
    return [Found(_readable(below[name]), str(below[name]), origin) for name in names]


def _card(folder: Path) -> Mapping[str, object]:
    """What the README.md of a folder says of its files; nothing where there is none."""
    file = folder / layout.CARD
    if not file.is_file():
        return {}
    return layout.front_matter(file.read_text("utf-8", "replace"), str(file))


def _is_there(path: Path) -> bool:
    """Whether there is something of that name. Raises PoolError where the system cannot look it up."""
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
    """The path. Raises PoolError where its bytes are not UTF-8, since manifests could not name it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        name = str(path).encode("utf-8", "surrogateescape")
        raise PoolError(f"{name!r}: the name of this file is not UTF-8; rename it") from error
    return path


def _saved(folder: Path, split: str | None = None) -> list[Path]:
    """The Arrow files of a folder written by ``Dataset.save_to_disk``, in their order."""
    try:
        state = json.loads((folder / "state.json").read_text("utf-8"))
        files = [folder / part["filename"] for part in state["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PoolError(f"{folder / 'state.json'} is not what datasets writes: {error}") from error
    if split is not None and state.get("_split") != split:
        raise PoolError(
            f"{folder} has no split '{split}': it is one saved split, '{state.get('_split') or 'unnamed'}'"
        )
    return files


def _splits(folder: Path, split: str | None, remarks: list[str]) -> list[Path]:
    """The requested split of a folder written by ``DatasetDict.save_to_disk``, else train or its only one."""
    splits = sorted(path.parent.name for path in folder.glob("*/state.json"))
    usual = "train" if "train" in splits else splits[0] if len(splits) == 1 else None
    taken = usual if split is None else split
    if taken is None or taken not in splits:
        raise PoolError(
            f"{folder} is a saved DatasetDict with the splits "
            f"{', '.join(splits) or 'none'}; name one with --split"
        )
    remarks.append(f"the split '{taken}' of {', '.join(splits)} was taken")
    return _saved(folder / taken)
