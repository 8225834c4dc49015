"""Scorers by models and target sets, made of the settings that users give."""

from __future__ import annotations

from handpicked.config import BUNDLED_LM, ModelSettings, ScoreSettings
from handpicked.errors import ConfigError
from handpicked.pick.target import target_of
from handpicked.score.deita import Deita, DeitaRating, Rated
from handpicked.score.less import Less
from handpicked.score.rds import Rds


def model_of(settings: ScoreSettings, scorer: str, name: str | None = None) -> ModelSettings:
    """The model to score by, where none is small enough to be bundled.

    Raises:
        ConfigError: none is named.
    """
    name = name or settings.model
    if name is None:
        raise ConfigError(
            f"score.model: '{scorer}' needs a model that was trained for it, and none is bundled. Give a folder or a hub name "
            "(--model NAME)."
        )
    return ModelSettings(name=name, revision=settings.revision, trust_remote_code=settings.trust_remote_code)


def deita_rating(name: Rated, settings: ScoreSettings) -> DeitaRating:
    """One rating alone, by ``model`` and ``prompt``."""
    return DeitaRating(name, model_of(settings, name), settings.prompt, settings.max_length)


def deita(settings: ScoreSettings) -> Deita:
    """Both: complexity by ``model`` and ``prompt``, quality by ``quality_model`` (else the same) and ``quality_prompt``."""
    quality = DeitaRating(
        "deita-quality",
        model_of(settings, "deita", settings.quality_model),
        settings.quality_prompt,
        settings.max_length,
    )
    return Deita(deita_rating("deita-complexity", settings), quality)


def rds(settings: ScoreSettings) -> Rds:
    """By any causal language model, else the bundled one."""
    return Rds(
        target_of(settings, "rds"),
        model_of(settings, "rds", settings.model or BUNDLED_LM),
        settings.template,
        settings.max_length or Rds.max_length,
    )


def less(settings: ScoreSettings) -> Less:
    """At the states in ``checkpoint``.

    Raises:
        ConfigError: none is named.
    """
    if settings.checkpoint is None:
        raise ConfigError(
            "score.checkpoint: 'less' needs the folder of an arm that was trained with train.keep_optimizer: true."
        )
    return Less(target_of(settings, "less"), settings.checkpoint, settings.projection, settings.seed)
