"""Scorers by models, endpoints and target sets, made of the settings that users give."""

from __future__ import annotations

from handpicked.config import BUNDLED_EMBEDDER, BUNDLED_LM, ModelSettings, ScoreSettings
from handpicked.errors import ConfigError
from handpicked.scorers.lm.likelihood import LanguageModel
from handpicked.scorers.model.deita import Deita, DeitaRating, Rated
from handpicked.scorers.model.embedding import Embedding
from handpicked.scorers.model.ifd import Ifd
from handpicked.scorers.model.less import Less
from handpicked.scorers.model.llm_rating import LLMRating
from handpicked.scorers.model.perplexity import Perplexity
from handpicked.scorers.model.rds import Rds
from handpicked.scorers.model.reward import Reward
from handpicked.scorers.model.superfiltering import Superfiltering
from handpicked.scorers.model.t_shirt import NEIGHBOURS, TShirt
from handpicked.scorers.model.target_similarity import TargetSimilarity
from handpicked.selection.target import target_of


def llm_rating(settings: ScoreSettings) -> LLMRating:
    """By a chat model behind an endpoint."""
    return LLMRating.of(settings)


def perplexity(settings: ScoreSettings) -> Perplexity:
    """By any causal language model, else the bundled one."""
    return Perplexity(LanguageModel.of(settings))


def ifd(settings: ScoreSettings) -> Ifd:
    """By any causal language model, else the bundled one."""
    return Ifd(LanguageModel.of(settings))


def superfiltering(settings: ScoreSettings) -> Superfiltering:
    """By a small causal language model, without a chat template."""
    return Superfiltering(LanguageModel.of(settings, "plain"))


def t_shirt(settings: ScoreSettings) -> TShirt:
    """By any causal language model, else the bundled one."""
    neighbours = NEIGHBOURS if settings.neighbours is None else settings.neighbours
    return TShirt(LanguageModel.of(settings), neighbours, seed=settings.seed)


def reward(settings: ScoreSettings) -> Reward:
    """By the reward model that is named."""
    return Reward(model_of(settings, "reward"), settings.max_length)


def embedding(settings: ScoreSettings) -> Embedding:
    """By any sentence-transformers model, else the bundled one."""
    return Embedding(settings.embedder or BUNDLED_EMBEDDER, settings.text)


def target_similarity(settings: ScoreSettings) -> TargetSimilarity:
    """Of sentence embeddings to the target set."""
    return TargetSimilarity(target_of(settings, "target-similarity"), settings.embedder or BUNDLED_EMBEDDER)


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
