"""Where trackers write: into ``logs`` beside the model, which stays when the checkpoints go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import TrainingArguments


LOGS = "logs"
PROJECT = "handpicked"
FOLDERS: Mapping[str, str] = {
    "tensorboard": "TENSORBOARD_LOGGING_DIR",
    "trackio": "TRACKIO_DIR",
    "wandb": "WANDB_DIR",
}
"""The environment variable that gives each tracker its folder."""


@contextmanager
def tracked(trackers: tuple[str, ...], out: Path) -> Iterator[None]:
    """Within it, these trackers write below ``out/logs``, unless the user has set a tracker's variable."""
    wanted = {FOLDERS[name]: str(out / LOGS / name) for name in trackers if name in FOLDERS}
    own = {variable: folder for variable, folder in wanted.items() if variable not in os.environ}
    for folder in own.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    project = {"WANDB_PROJECT": PROJECT} if "WANDB_PROJECT" not in os.environ else {}
    os.environ.update({**own, **project})
    try:
        yield
    finally:
        for variable in (*own, *project):
            os.environ.pop(variable, None)


def tracker_arguments(arguments: type[TrainingArguments], arm: str) -> dict[str, str | bool | None]:
    """What ``arguments``, a class of TrainingArguments, takes for trackers: the name of the run, and that
    nothing is sent to a Space of the hub without the user's request.
    """
    known = {field.name for field in fields(arguments)}
    wanted = {"run_name": arm, "project": PROJECT, "trackio_space_id": None, "trackio_static_space_id": False}
    return {name: value for name, value in wanted.items() if name in known}
