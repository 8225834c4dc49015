"""A target set from a file: examples of any format that a pool may have, or evaluation prompts."""

from __future__ import annotations

from handpicked.config import ScoreSettings
from handpicked.data import read, read_prompts
from handpicked.errors import ConfigError, PoolError
from handpicked.records import Example, Prompt, messages_id
from handpicked.score.target import TargetSet


def target_of(settings: ScoreSettings, scorer: str) -> TargetSet:
    """The target set that ``settings.target`` names.

    A subset is what the rows call their ``category``, else their source.

    Raises:
        ConfigError: no file is named, or rows of it cannot be read. PoolError: it is neither a pool nor a file of prompts.
    """
    if settings.target is None:
        raise ConfigError(
            f"score.target: '{scorer}' selects what resembles a target set; give a file of examples (--target FILE)."
        )
    try:
        pool = read(settings.target)
    except PoolError:  # no examples; it may be prompts
        return TargetSet(settings.target, tuple(read_prompts(settings.target, "target")))
    lost = next(pool.rejected(), None)
    if lost is not None:
        raise ConfigError(
            f"score.target: {settings.target}, {lost.place} cannot be read: {lost.reason}. A target set is small and each "
            "example counts: mend or remove it."
        )
    return TargetSet(settings.target, tuple(_prompt(example) for example in pool.examples()))


def _prompt(example: Example) -> Prompt:
    """Everything before the last response is the prompt."""
    last = max(place for place, message in enumerate(example.messages) if message.role == "assistant")
    messages = example.messages[:last]
    category = str(example.original.get("category") or example.source)
    return Prompt(
        messages_id(messages), messages, "target", category, example.messages[last].content.strip() or None
    )
