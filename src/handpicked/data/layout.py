"""Which files of a data set folder are one split of one config: what its README.md says, else their names.

The hub's rule (https://huggingface.co/docs/hub/datasets-manual-configuration): the YAML at the head of
README.md lists ``configs``, each with ``data_files`` by split. Without it, names such as
``test-00000-of-00001.parquet`` or ``validation/part.jsonl`` say the split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import yaml

from handpicked.data.files.container import is_data
from handpicked.data.files.safe_yaml import checked
from handpicked.errors import PoolError, did_you_mean

CARD = "README.md"
SPLIT = re.compile(r"(train|test|validation|valid|val|dev|eval)(?=[-_.]|$)", re.IGNORECASE)
"""How the name of a file or folder of one split begins."""
SHARD = re.compile(r"(\w+(?:\.\w+)*)-\d{5,}-of-\d{5,}\b")
"""Files as the hub's own tools name them, which begin with the whole name of the split."""
SAME = {"valid": "validation", "val": "validation", "dev": "validation", "eval": "test"}
"""Other words for a split."""


def front_matter(text: str, where: str) -> Mapping[str, object]:
    """The YAML between the first two ``---`` lines of a card; empty where there is none.

    Raises PoolError where it is not YAML, since its configs could not be obeyed.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    ends = [number for number, line in enumerate(lines) if number and line.strip() == "---"]
    if not ends:
        return {}
    try:
        _, value = checked("\n".join(lines[1 : ends[0]]))
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise PoolError(
            f"{where}: the block between the --- lines, which may say what the splits are, is not YAML "
            f"({problem}). Correct it, or name the data files themselves."
        ) from error
    return value if isinstance(value, dict) else {}


def licence(card: Mapping[str, object]) -> str | None:
    """The licence that a card states, or several of them with commas between."""
    found = card.get("license")
    listed = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, str)]
    return ", ".join(listed) or None


def chosen(
    files: Sequence[str], card: Mapping[str, object], where: str, split: str | None, config: str | None
) -> tuple[list[str], list[str]]:
    """Of ``files`` (relative names) those of a split of a config, in order, and remarks on the choice.

    ``None`` for ``split`` is train, or all files where no split is named train, and for ``config`` the
    default one. Raises PoolError where there is no such split or config, with those that there are.
    """
    configs = _configs(card)
    if not configs and config is not None:
        raise PoolError(f"{where} has no config '{config}': its {CARD} lists none")
    remarks: list[str] = []
    if not configs:
        return _by_names(files, where, split, remarks), remarks
    name = _config(configs, where, config)
    if len(configs) > 1:
        remarks.append(f"the config '{name}' of {', '.join(configs)} is read ({CARD})")
    below = str(configs[name].get("data_dir") or "").strip("/")
    splits = _splits(configs[name])
    if not splits:
        inside = [file for file in files if not below or file.startswith(f"{below}/")]
        return _by_names(inside, where, split, remarks), remarks
    taken = _split_of(list(splits), where, split)
    patterns = [f"{below}/{one}" if below else one for one in splits[taken]]
    found = [file for pattern in patterns for file in files if matches(file, pattern)]
    found = list(dict.fromkeys(found))
    if not found:
        raise PoolError(
            f"{where}: its {CARD} says that the split '{taken}' is in "
            f"{', '.join(patterns)}, and no file matches"
        )
    others = [one for one in splits if one != taken]
    if others:
        remarks.append(
            f"the split '{taken}' is read and {', '.join(others)} left out ({CARD}; --split names another)"
        )
    return [file for file in found if is_data(Path(file))] or found, remarks


def split_of_name(path: PurePosixPath) -> str | None:
    """The split that the name of a file or of its folder says, such as ``test-00000-of-00001.parquet`` or
    ``test/0.jsonl``.
    """
    found = (SPLIT.match(part) for part in (path.name, *reversed(path.parts[:-1])))
    return next((one[1].lower() for one in found if one is not None), None)


def _configs(card: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    listed = card.get("configs")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(one.get("config_name") or "default"): one for one in found}


def _config(configs: Mapping[str, Mapping[str, object]], where: str, wanted: str | None) -> str:
    if wanted is not None and wanted not in configs:
        raise PoolError(f"{where} has no config '{wanted}'.{did_you_mean(wanted, configs)}")
    flagged = [name for name, one in configs.items() if one.get("default") is True]
    usual = [*flagged, *(name for name in configs if name == "default" or len(configs) == 1)]
    if wanted is None and not usual:
        raise PoolError(
            f"{where} has several configs and no default one: {', '.join(configs)}. Name one (--config)"
        )
    return usual[0] if wanted is None else wanted


def _splits(config: Mapping[str, object]) -> dict[str, list[str]]:
    """The patterns of each split; those of no named split are train's."""
    stated = config.get("data_files")
    splits: dict[str, list[str]] = {}
    if isinstance(stated, dict):
        stated = [{"split": split, "path": path} for split, path in stated.items()]
    for one in stated if isinstance(stated, list) else [stated]:
        name, paths = (one.get("split"), one.get("path")) if isinstance(one, dict) else ("train", one)
        texts = [path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str)]
        if texts:
            splits.setdefault(str(name or "train"), []).extend(path.removeprefix("./") for path in texts)
    return splits


def _split_of(splits: Sequence[str], where: str, wanted: str | None) -> str:
    if wanted is None:
        if "train" in splits or len(splits) == 1:
            return "train" if "train" in splits else splits[0]
        raise PoolError(f"{where} has no split 'train', but {', '.join(splits)}. Name one (--split)")
    if wanted not in splits:
        raise PoolError(f"{where} has no split '{wanted}'.{did_you_mean(wanted, splits)}")
    return wanted


def _by_names(files: Sequence[str], where: str, split: str | None, remarks: list[str]) -> list[str]:
    """The files of a split by their names: where none is requested, of train if
    others are held out, else all.
    """
    data = [file for file in files if is_data(Path(file))]
    said = {file: one for file in data if (one := split_of_name(PurePosixPath(file))) is not None}
    if split is not None:
        return _of_split(data, said, where, split)
    held_out = [file for file, one in said.items() if one != "train"]
    if not held_out or "train" not in said.values():
        return data
    names = ", ".join(dict.fromkeys(said[file] for file in held_out))
    remarks.append(
        f"the {names} split of {where} ({len(held_out)} files) is held out for evaluation and left "
        "out; --split reads it"
    )
    return [file for file in data if file not in held_out]


def _of_split(data: Sequence[str], said: Mapping[str, str], where: str, split: str) -> list[str]:
    shards = {file: found[1] for file in data if (found := SHARD.match(PurePosixPath(file).name))}
    exact = [file for file in data if shards.get(file) == split]
    wanted = SAME.get(split, split)
    named = exact or [file for file in data if SAME.get(said.get(file, ""), said.get(file)) == wanted]
    if named or (split == "train" and not said and not shards):
        return named or list(data)
    known = dict.fromkeys([*shards.values(), *said.values()])
    there = did_you_mean(split, known) if known else " The names of its files say no split; name none."
    raise PoolError(f"{where} has no split '{split}'.{there}")


def matches(file: str, pattern: str) -> bool:
    """Whether a relative name matches a glob in which ``*`` stays inside a folder and ``**`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    regex = "".join(
        wild.get(part)
        or (part.replace("[!", "[^") if part[:1] == "[" and part[-1:] == "]" else re.escape(part))
        for part in parts
    )
    return re.fullmatch(regex, file) is not None or (pattern == file)
