"""What the stages of a run share: where each result is, the hash that identifies it, how it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from handpicked import data
from handpicked.config import (
    BUNDLED_LM,
    Experiment,
    ModelSettings,
    PoolSettings,
    PromptSettings,
    SelectSettings,
)
from handpicked.data.holdout import hold_out
from handpicked.experiment.lineup import Lineup
from handpicked.models.load import resolve
from handpicked.models.served import ArmModel
from handpicked.progress import Progress
from handpicked.records import Example, Pool, Prompt, to_json
from handpicked.selection.kept_scores import Content
from handpicked.store import Run, Stage
from handpicked.workers import THIS_MACHINE, Workers


@dataclass(frozen=True)
class Job:
    """What every stage needs: the store, the experiment, the progress and the devices."""

    store: Run
    lineup: Lineup
    progress: Progress
    workers: Workers = THIS_MACHINE

    @property
    def experiment(self) -> Experiment:
        """The experiment with one arm for every model that is trained."""
        return self.lineup.experiment


@dataclass(frozen=True)
class OpenPool:
    """A pool that arms select from, what identifies it, and the stage that prepared it
    (None: the file as it is).
    """

    settings: PoolSettings
    pool: Pool
    identity: str
    stage: Stage | None
    held_out: Sequence[Example] = ()

    @cached_property
    def content(self) -> Content:
        """What scores by models are kept by; the pool is read for it once a run."""
        return Content.of(self.pool)


@dataclass(frozen=True)
class Subset:
    """One arm's subset: its folder (``selected.jsonl``, ``scores.parquet``, ...), the hash of its rows, and
    how to read them.

    ``refined`` is the stage that rewrote the responses of ``file``; ``folder`` and ``stage`` stay those of
    the selection. ``scores`` are the stages of the scores by models that it was selected by, by scorer.
    """

    folder: Path
    file: Path
    identity: str
    stage: Stage
    reading: PoolSettings
    refined: Stage | None = None
    scores: Mapping[str, Stage] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """The model of one arm: what to load, and its identity. An arm that is not trained
    has no stage and no adapter.
    """

    model: ModelSettings
    adapter: Path | None
    template: str
    identity: str
    stage: Stage | None

    @property
    def arm(self) -> ArmModel:
        """What loads it and answers by it."""
        return ArmModel(self.model, self.adapter, self.template)


Record = TypeVar("Record")
"""A completion, a verdict, or a line of a loss."""


@dataclass(frozen=True)
class Measured(Generic[Record]):
    """What one arm's model produced on the prompts: the records and the stage that made them."""

    records: Sequence[Record]
    identity: str
    stage: Stage


def read_pool(settings: PoolSettings) -> Pool:
    """The pool that the settings name."""
    paths = [settings.path] if isinstance(settings.path, str) else list(settings.path)
    return data.read(
        paths,
        format=settings.format,
        map=settings.map,
        turns=settings.turns,
        max_row_mb=settings.max_row_mb,
        split=settings.split,
        config=settings.config,
        encoding=settings.encoding,
    )


def read_test_set(settings: PromptSettings) -> list[Prompt]:
    """The prompts of a test set that is in files."""
    assert settings.path is not None
    return data.read_prompts(
        settings.path, settings.name, map=settings.map, split=settings.split, config=settings.config
    )


def split(settings: PoolSettings, source: Pool, folder: Path) -> dict[str, int]:
    """Write ``rest`` and ``held-out`` of ``source`` into ``folder``; the rows of each, and of the whole."""
    held, rest = hold_out(source, settings.hold_out, settings.hold_out_max_words)
    source.write(rest, folder / "rest")
    source.write(held, folder / "held-out")
    return {"rows": source.rows, "rest": len(rest), "held_out": len(held)}


def selected(folder: Path) -> Path:
    """The rows of a subset folder, in whichever container they are."""
    return next(path for name in ("selected.jsonl", "selected.parquet") if (path := folder / name).is_file())


def reread(settings: PoolSettings, file: Path) -> Pool:
    """A file of rows that came out of the pool, read as the pool was."""
    here = {"path": str(file), "split": None, "config": None, "encoding": None}
    return read_pool(settings.model_copy(update=here))


def tokenizer(model: ModelSettings) -> str | None:
    """The tokenizer that counts lengths: the model's own. None is the embedded one, which is the bundled
    model's.
    """
    if model.name == BUNDLED_LM:
        return None

    return str(resolve(model))


def selection_settings(lineup: Lineup, name: str) -> SelectSettings:
    """How an arm's rows are selected. Lengths in tokens are counted with its model's own tokenizer.

    Raises:
        MissingPart, ModelError, ConfigError: the model is missing.
    """
    arm = lineup.experiment.arms[name]
    settings = SelectSettings.model_validate(arm.model_dump(include=set(SelectSettings.model_fields)))
    if settings.measure == "tokens" and settings.tokenizer is None:
        settings = settings.model_copy(update={"tokenizer": tokenizer(lineup.model(name))})
    return settings


def prompts_identity(test_prompts: Sequence[Prompt]) -> str:
    """The hash of evaluation prompts."""
    return hashlib.sha256(
        "\n".join(to_json(prompt) for prompt in test_prompts).encode("utf-8", "surrogatepass")
    ).hexdigest()
