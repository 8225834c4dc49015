"""What an export is: a trainer's rows, its config, and what of the rows it cannot take."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from handpicked.config import TrainSettings
from handpicked.errors import ConfigError
from handpicked.exports.lesson import Lesson
from handpicked.method import Method
from handpicked.records import Turns
from handpicked.train.schedule import TRANSFORMERS, warmup_steps

DATA = "data.jsonl"
"""The file of rows in the folder of an export."""
MODEL = "BASE_MODEL"
"""The placeholder in a config where the user names the model."""


@dataclass(frozen=True)
class Job:
    """A training to write a config for: ``rows`` rows under ``settings``, of which the last response is
    trained or ``all`` are. ``thinks`` says whether a trained turn holds a thought, ``tools`` whether a row
    declares any.
    """

    settings: TrainSettings
    rows: int
    turns: Turns = "last"
    thinks: bool = False
    tools: bool = False

    @property
    def micro_batch(self) -> int:
        """Rows in one forward pass on one device: at most ``micro_batch_size``, and a divisor of the batch."""
        return math.gcd(self.settings.batch_size, self.settings.micro_batch_size)

    @property
    def accumulation(self) -> int:
        """Forward passes in one optimizer step, on one device."""
        return self.settings.batch_size // self.micro_batch

    @property
    def steps(self) -> int:
        """Optimizer steps where no row is left out."""
        return math.ceil(math.ceil(self.rows / self.settings.batch_size) * self.settings.epochs)

    @property
    def warmup(self) -> int:
        """Optimizer steps that warm up, rounded down as in handpicked's own training."""
        return warmup_steps(self.steps, self.settings.warmup_ratio)

    @property
    def scheduler(self) -> str:
        """The scheduler by the name that transformers has for it."""
        return TRANSFORMERS[self.settings.scheduler]

    @property
    def adapter(self) -> bool:
        """Whether an adapter is trained and not the whole model."""
        return self.settings.method != "full"

    @property
    def targets(self) -> list[str]:
        """The modules that get an adapter."""
        named = self.settings.lora_targets
        return [named] if isinstance(named, str) else list(named)

    @property
    def note(self) -> str:
        """What the settings are, and what the number of devices changes."""
        one = self.settings
        return (
            f"{self.rows:,} rows, {one.epochs:g} epochs, {one.batch_size} rows an optimizer step: about "
            f"{self.steps:,} steps, {self.warmup:,} of them warm-up."
        )


class Trainer(Method, ABC):
    """A program that fine-tunes. A subclass is one file in ``exports/`` and is named by ``--export``."""

    title: ClassVar[str]
    """How its authors write its name."""
    command: ClassVar[str]
    """What starts it, in the folder of the export."""

    @abstractmethod
    def row(self, lesson: Lesson, turns: Turns) -> dict[str, object]:
        """A row as it reads it."""

    @abstractmethod
    def files(self, job: Job) -> Mapping[str, str]:
        """Its config: the text of each file by name."""

    def lost(self, lesson: Lesson) -> Iterator[str]:
        """What of a row it does not take, each as a phrase to count."""
        if lesson.media:
            yield "name images, video or audio; only their text is exported"
        if lesson.tools_unread:
            yield "declare tools that are not a JSON list; the declaration is left out"

    def refusals(self, settings: TrainSettings) -> Iterator[str]:
        """Why its config cannot say these settings, each a sentence."""
        if settings.template != "auto":
            yield (
                f"template {settings.template!r} cannot be exported: {self.title} is set to use the "
                "tokenizer's own. Leave it out, and set the template in the file that is written."
            )
        if settings.budget_tokens is not None:
            yield f"{self.title} has no token budget (budget_tokens). Give epochs instead."

    def check(self, settings: TrainSettings) -> None:
        """Raise ConfigError for settings that its config cannot say, all at once."""
        mistakes = [f"--export {self.name}: {one}" for one in self.refusals(settings)]
        if mistakes:
            raise ConfigError(*mistakes)


def unmasked(lesson: Lesson, title: str) -> Iterator[str]:
    """For a trainer that learns every turn of an assistant, or the last one alone."""
    if lesson.context:
        yield f"have turns that are not to be learned between those that are; {title} learns them too"


def anonymous(lesson: Lesson, title: str) -> Iterator[str]:
    """For a trainer without names and call ids."""
    if any(turn.name or turn.call_id or any(call.id for call in turn.calls) for turn in lesson.messages):
        yield f"have names of speakers or ids of calls, which {title} has no field for"


def whole_epochs(settings: TrainSettings, title: str) -> Iterator[str]:
    """For a trainer that counts epochs in whole numbers."""
    if settings.epochs != int(settings.epochs):
        yield f"{title} takes whole epochs, not {settings.epochs:g}."
