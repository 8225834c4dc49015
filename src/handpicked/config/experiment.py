"""The whole experiment file, and its arms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from handpicked.config.endpoints import EndpointSettings
from handpicked.config.evaluating import EvaluateSettings
from handpicked.config.pool import PoolSettings
from handpicked.config.section import Strict
from handpicked.config.selecting import SelectSettings
from handpicked.config.training import ModelSettings, TrainSettings


class RefineSettings(EndpointSettings):
    """Rewrite the selected responses through an endpoint before training on them. ``max_cost`` applies to
    each arm.
    """

    model: str
    """Model name sent to the endpoint."""
    prompt: str | None = None
    """A text file with ``{prompt}`` and ``{response}`` in it; none: the shipped one."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """The most tokens of a rewritten response; one that is cut there is not used."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy."""


class ArmSettings(SelectSettings):
    """One arm: a subset and how a model is trained on it. ``by: none`` is the base model.

    ``sizes``, ``fractions`` and several base models turn it into several arms, ``seeds`` into several
    trainings of one arm (``handpicked.experiment.lineup`` expands them).
    """

    sizes: tuple[Annotated[int, Field(gt=0)], ...] = ()
    """Instead of ``size``: one arm per size, which together make a size curve."""
    fractions: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    """Instead of ``fraction``: one arm per fraction, which together make a size curve."""
    seeds: tuple[int, ...] = ()
    """Select and train once for each of these seeds; in the results they are one arm, with an
    interval over prompts and seeds.
    """
    model: str | None = None
    """A name in ``models``: the base model of this arm. None: every one of ``models``."""
    pool: str | None = None
    """A name in ``pools``: what this arm selects from. None: the experiment's ``pool``."""
    refine: RefineSettings | None = None
    """Rewrite the selected responses before training."""
    train: TrainSettings | None = None
    """Replaces the experiment's ``train`` as a whole."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that may be part of a path."""


class Experiment(Strict):
    """A whole experiment: one or more pools, several arms, one evaluation, one report."""

    name: Name
    """Also the folder under runs/."""
    why: str = ""
    """The question, in a sentence or two; it opens the report."""
    cost: str = ""
    """What it takes to run, in words: hardware, time, money."""
    expected: str = ""
    """The expected result, written before the run."""
    pool: PoolSettings
    pools: dict[Name, PoolSettings] = {}
    """Further pools, which an arm names with ``pool``."""
    model: ModelSettings = ModelSettings()
    models: dict[Name, ModelSettings] = {}
    """Several base models instead of ``model``: every arm that names none is trained on each, and compared
    only with arms of the same base model.
    """
    train: TrainSettings = TrainSettings()
    arms: dict[Name, ArmSettings]
    candidate: str | None = None
    """The arm the question is about, on every base model; for an arm with sizes it is the largest, unless one
    is named, such as ``longest-300``. None: the first arm that is trained on a subset.
    """
    evaluate: EvaluateSettings = EvaluateSettings()

    @model_validator(mode="after")
    def _has_arms(self) -> Experiment:
        if not self.arms:
            raise ValueError("an experiment needs at least one arm")
        return self

    @property
    def candidate_arm(self) -> str:
        """The arm the question is about."""
        if self.candidate is not None:
            return self.candidate
        trained = [name for name, arm in self.arms.items() if arm.by not in ("none", "full")]
        return trained[0] if trained else next(iter(self.arms))
