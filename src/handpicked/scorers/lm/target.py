"""A target set: the examples, or prompts alone, that selected rows should resemble."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from pathlib import Path

from handpicked.config import EXECUTION
from handpicked.data import read, read_prompts
from handpicked.errors import ConfigError, PoolError
from handpicked.models.encode import response_turns
from handpicked.models.template import Encoded, Template
from handpicked.records import Example, Message, Prompt, messages_id, to_json


@dataclass(frozen=True)
class TargetSet:
    """The prompts of the file ``path``, with their responses as ``reference`` where it has any.

    ``sha256`` is of the prompts, responses and categories, in their order. The prompts themselves
    are not a recorded argument.

    Raises:
        ConfigError: it holds no prompt.
    """

    path: str = field(metadata=EXECUTION)
    prompts: InitVar[tuple[Prompt, ...]]
    sha256: str = field(init=False)

    def __post_init__(self, prompts: tuple[Prompt, ...]) -> None:
        if not prompts:
            raise ConfigError(f"target: {self.path} holds no example, so nothing can resemble it.")
        text = "\n".join(to_json(prompt) for prompt in prompts)
        object.__setattr__(self, "sha256", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
        object.__setattr__(self, "_prompts", prompts)

    @staticmethod
    def read(path: str) -> TargetSet:
        """The target set in a file: examples of any format that a pool may have, or evaluation prompts.

        A subset is what the rows call their ``category``, else their source. A file is read once, however
        many arms and checks need it, until it changes.

        Raises:
            ConfigError: rows of it cannot be read. PoolError: it is neither a pool nor a file of prompts.
        """
        file = Path(path).expanduser()
        if not file.is_file():  # a folder or a glob: whether it has changed is unknown
            return _read(path)
        stat = file.stat()
        return _read_once(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns))

    def __iter__(self) -> Iterator[Prompt]:
        yield from getattr(self, "_prompts")  # noqa: B009  (no field, so that no manifest repeats it)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def whole(self) -> bool:
        """Whether every prompt has a response. If not, prompts are compared with
        prompts, so that like meets like.
        """
        return all(prompt.reference is not None for prompt in self)

    @property
    def subsets(self) -> list[str]:
        """The category of each prompt, in its order; all prompts without one are one subset."""
        return [prompt.category or "" for prompt in self]


def target_text(prompt: Prompt, whole: bool) -> str:
    """What an embedder reads of a target, as it does of a row: its prompt, and with ``whole`` its response."""
    return f"{prompt.text}\n\n{prompt.reference}" if whole else prompt.text


def encode_target(template: Template, prompt: Prompt, whole: bool) -> Encoded:
    """The tokens of a target's conversation up to the end of its response, or of its prompt
    alone (with nothing learned).
    """
    if whole and prompt.reference is not None:
        messages = (*prompt.messages, Message("assistant", prompt.reference))
        return template.encode(messages, [len(prompt.messages)])
    return _prompt_only(template, prompt.messages)


def encode_example(template: Template, example: Example, whole: bool) -> Encoded:
    """The tokens of a row in the same way. Raises TrainingError where the template refuses its turns."""
    turns = response_turns(example)
    return (
        template.encode(example.messages, turns)
        if whole
        else _prompt_only(template, example.messages[: turns[-1]])
    )


def _prompt_only(template: Template, messages: tuple[Message, ...]) -> Encoded:
    ids = template.encode_prompt(messages)
    return Encoded(ids, [-100] * len(ids))


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
            f"score.target: {path}, {lost.place} cannot be read: {lost.reason}. "
            "A target set is small and each "
            "example counts: correct or remove it."
        )
    return TargetSet(path, tuple(_prompt(example) for example in pool.examples()))


def _prompt(example: Example) -> Prompt:
    """Everything before the last response is the prompt."""
    last = max(place for place, message in enumerate(example.messages) if message.learned)
    messages = example.messages[:last]
    category = str(example.original.get("category") or example.source)
    return Prompt(
        messages_id(messages), messages, "target", category, example.messages[last].text.strip() or None
    )
