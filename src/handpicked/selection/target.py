"""A target set from a file: examples of any format that a pool may have, or evaluation prompts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from handpicked.config import ScoreSettings
from handpicked.data import read, read_prompts
from handpicked.errors import ConfigError, PoolError
from handpicked.records import Example, Prompt, messages_id
from handpicked.scorers.lm.target import TargetSet


def target_of(settings: ScoreSettings, scorer: str) -> TargetSet:
    """The target set that ``settings.target`` names.

    A subset is what the rows call their ``category``, else their source. A file is read once, however many arms and checks
    ask for it, until it changes.

    Raises:
        ConfigError: no file is named, or rows of it cannot be read. PoolError: it is neither a pool nor a file of prompts.
    """
    if settings.target is None:
        raise ConfigError(
            f"score.target: '{scorer}' selects what resembles a target set; give a file of examples (--target FILE)."
        )
    file = Path(settings.target).expanduser()
    if not file.is_file():  # a folder or a glob: nothing tells whether it is as it was
        return _read(settings.target)
    stat = file.stat()
    return _read_once(settings.target, (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=8)
def _read_once(path: str, state: tuple[int, int, int]) -> TargetSet:
    """``state`` changes when the file does."""
    del state
    return _read(path)


def _read(path: str) -> TargetSet:
    try:
        pool = read(path)
    except PoolError:  # no examples; it may be prompts
        return TargetSet(path, tuple(read_prompts(path, "target")))
    lost = next(pool.rejected(), None)
    if lost is not None:
        raise ConfigError(
            f"score.target: {path}, {lost.place} cannot be read: {lost.reason}. A target set is small and each "
            "example counts: mend or remove it."
        )
    return TargetSet(path, tuple(_prompt(example) for example in pool.examples()))


def _prompt(example: Example) -> Prompt:
    """Everything before the last response is the prompt."""
    last = max(place for place, message in enumerate(example.messages) if message.role == "assistant")
    messages = example.messages[:last]
    category = str(example.original.get("category") or example.source)
    return Prompt(
        messages_id(messages), messages, "target", category, example.messages[last].content.strip() or None
    )
