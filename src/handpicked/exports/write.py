"""Writes an export: the rows of a subset for one trainer, and its config beside them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from handpicked.config import TrainSettings
from handpicked.data.write import json_line
from handpicked.exports.lesson import lesson
from handpicked.exports.trainer import DATA, Job, Trainer
from handpicked.records import Example, Turns


@dataclass(frozen=True)
class Export:
    """An export to make: for which trainer, and the settings to train with (handpicked's own by default).

    Raises ConfigError for settings that the config of the trainer cannot say.
    """

    trainer: Trainer
    settings: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        self.trainer.check(self.settings)


@dataclass(frozen=True)
class Exported:
    """An export that was made: its rows and files, and how many rows hold something that the trainer does not
    take, by what it is.
    """

    trainer: str
    rows: int
    files: tuple[str, ...]
    command: str
    lost: Mapping[str, int] = field(default_factory=dict)

    def described(self) -> dict[str, object]:
        """As plain JSON."""
        return {
            "rows": self.rows,
            "files": list(self.files),
            "command": self.command,
            "lost": dict(self.lost),
        }


def write_export(export: Export, examples: Iterable[Example], turns: Turns, folder: Path) -> Exported:
    """Write the rows and the config into ``folder``; ``turns`` is the rule by which the examples were read."""
    trainer = export.trainer
    folder.mkdir(parents=True, exist_ok=True)
    lost: Counter[str] = Counter()
    rows, thinks, tools = 0, False, False
    with (folder / DATA).open("wb") as file:
        for rows, example in enumerate(examples, start=1):  # noqa: B007 (their number, after it)
            found = lesson(example)
            lost.update(set(trainer.lost(found)))
            thinks, tools = thinks or found.thinks, tools or bool(found.tools)
            file.write(json_line(trainer.row(found, turns)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    config = trainer.files(Job(export.settings, rows, turns, thinks, tools))
    for name, text in config.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Exported(trainer.name, rows, (DATA, *config), trainer.command, dict(lost.most_common()))
