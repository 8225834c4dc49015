"""Selectors, measures and text scorers by the names that users type."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from handpicked.config import ScoreSettings, SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, did_you_mean
from handpicked.records import Turns
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.compression import CompressionRatio
from handpicked.scorers.text.ending import CutOff
from handpicked.scorers.text.features import FEATURES
from handpicked.scorers.text.length_chars import LengthChars
from handpicked.scorers.text.length_nltk import LengthNltk
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.scorers.text.length_words import LengthWords
from handpicked.scorers.text.repetition import RepeatedNgrams
from handpicked.scorers.text.root_verb import RootVerb
from handpicked.selection.scores import score_pool
from handpicked.selectors.balanced import Balanced
from handpicked.selectors.car import Car
from handpicked.selectors.deita import Deita
from handpicked.selectors.facility_location import FacilityLocation
from handpicked.selectors.full import Full
from handpicked.selectors.k_center import KCenter
from handpicked.selectors.kmeans import KMeans
from handpicked.selectors.length_matched import LengthMatched
from handpicked.selectors.power_law import PowerLaw
from handpicked.selectors.qdit import Qdit
from handpicked.selectors.random import Random
from handpicked.selectors.ranked import Bottom, Longest, Shortest, Top
from handpicked.selectors.selector import Selector
from handpicked.selectors.semdedup import SemDeDup
from handpicked.selectors.t_shirt import Steady
from handpicked.selectors.window import Window

MEASURES: Mapping[str, Callable[[str | None], Scorer]] = {
    "tokens": LengthTokens,
    "nltk": lambda _: LengthNltk(),
    "words": lambda _: LengthWords(),
    "chars": lambda _: LengthChars(),
}

SCORERS: Mapping[str, Callable[[], Scorer]] = {
    "repeated_5grams": RepeatedNgrams,
    "compression_ratio": CompressionRatio,
    "cut_off": CutOff,
    **FEATURES,
    "root_verb": RootVerb,
}


@dataclass(frozen=True)
class Making:
    """How a pool scorer is made of the settings, and which of them it reads (beside sample, prefilter and seed)."""

    make: Callable[[ScoreSettings], PoolScorer]
    reads: tuple[str, ...]


def _scorers() -> ModuleType:
    """Their modules are imported when one is asked for: most selections need none."""
    from handpicked.selection import model_scorers

    return model_scorers


MODEL_READS = ("model", "revision", "trust_remote_code")
LM_READS = (*MODEL_READS, "template", "max_length", "compile")
DEITA_READS = (*MODEL_READS, "max_length", "prompt")
RATING_READS = (
    *("model", "base_url", "key_env", "dimension", "prompt"),
    *("concurrency", "timeout", "max_cost", "price_in", "price_out"),
)

POOL_SCORERS: Mapping[str, Making] = {
    "llm-rating": Making(lambda s: _scorers().llm_rating(s), RATING_READS),
    "perplexity": Making(lambda s: _scorers().perplexity(s), LM_READS),
    "ifd": Making(lambda s: _scorers().ifd(s), LM_READS),
    "superfiltering": Making(
        lambda s: _scorers().superfiltering(s), tuple(name for name in LM_READS if name != "template")
    ),
    "t-shirt": Making(lambda s: _scorers().t_shirt(s), (*LM_READS, "neighbours")),
    "reward": Making(lambda s: _scorers().reward(s), (*MODEL_READS, "max_length")),
    "deita-complexity": Making(lambda s: _scorers().deita_rating("deita-complexity", s), DEITA_READS),
    "deita-quality": Making(lambda s: _scorers().deita_rating("deita-quality", s), DEITA_READS),
    "deita-score": Making(lambda s: _scorers().deita(s), (*DEITA_READS, "quality_model", "quality_prompt")),
    "rds": Making(lambda s: _scorers().rds(s), (*MODEL_READS, "template", "max_length", "target")),
    "target-similarity": Making(lambda s: _scorers().target_similarity(s), ("embedder", "target")),
    "less": Making(lambda s: _scorers().less(s), ("target", "checkpoint", "projection")),
    "embedding": Making(lambda s: _scorers().embedding(s), ("embedder", "text")),
}
"""Each scorer that needs a model, an endpoint or a target set, by the name that users type."""
EVERY_SCORER_READS = ("sample", "prefilter", "seed")

SELECTORS = {
    "full": Full,
    "random": Random,
    "longest": Longest,
    "shortest": Shortest,
    "top": Top,
    "bottom": Bottom,
    "window": Window,
    "balanced": Balanced,
    "power-law": PowerLaw,
    "length-matched": LengthMatched,
    "kmeans": KMeans,
    "k-center": KCenter,
    "facility-location": FacilityLocation,
    "deita": Deita,
    "qdit": Qdit,
    "car": Car,
    "semdedup": SemDeDup,
}


def text_scorer(name: str, tokenizer: str | None = None) -> Scorer | None:
    """The text scorer of that name, or ``None``: then it is a column of the pool."""
    if name in MEASURES:
        return MEASURES[name](tokenizer)
    return SCORERS[name]() if name in SCORERS else None


def pool_scorers(names: Sequence[str], settings: ScoreSettings) -> list[PoolScorer]:
    """The pool scorers of these names, made of ``settings``.

    Raises:
        ConfigError: a setting is given that none of them reads, or one lacks a setting that it needs.
    """
    read = {*EVERY_SCORER_READS, *(name for scorer in names for name in POOL_SCORERS[scorer].reads)}
    given = [
        name
        for name, field in ScoreSettings.model_fields.items()
        if getattr(settings, name) != field.get_default()
    ]
    asked = " and ".join(f"'{name}'" for name in names) or "what is asked for"
    mistakes = [
        f"score.{name}: {asked} does not use this setting, only {', '.join(sorted(read))}."
        for name in given
        if names and name not in read
    ]
    if given and not names:
        mistakes = [
            f"score.{given[0]}: nothing here is scored by a model, an endpoint or a target set. Leave it out."
        ]
    if mistakes:
        raise ConfigError(*mistakes)
    return [POOL_SCORERS[name].make(settings) for name in names]


def pool_scorer_of(column: str, settings: ScoreSettings) -> str | None:
    """The name of the pool scorer that makes this column, its main one or a companion; ``None``: no scorer does."""
    if column in POOL_SCORERS:
        return column
    for name in sorted(POOL_SCORERS, key=len, reverse=True):
        if column.startswith(f"{name}_"):
            made = POOL_SCORERS[name].make(settings)
            return name if column in (*made.values, f"{name}_reason") else None
    return None


def ceiling_of(column: str, settings: ScoreSettings) -> float | None:
    """The highest value of ``column`` that counts, where a pool scorer makes it and states one.

    Its ratio of losses is over 1 exactly when its ratio of perplexities is, so that both have one ceiling.
    """
    name = pool_scorer_of(column, settings)
    if name is None or column not in (name, f"{name}_loss_ratio"):
        return None
    ceiling: float | None = getattr(POOL_SCORERS[name].make(settings), "ceiling", None)
    return ceiling


def selector_for(settings: SelectSettings, turns: Turns = "last", own: Collection[str] = ()) -> Selector:
    """The selector that ``settings.by`` names; a text scorer's name selects its better end.

    ``own`` are the fields of the pool: as ``field`` they go before scorers of their names.

    Raises:
        ConfigError: no such selector, or a field that it needs is not set.
    """
    by, seed = settings.by, settings.seed
    makers: dict[str, Callable[[], Selector]] = {
        "full": Full,
        "random": lambda: Random(seed),
        "longest": lambda: Longest(settings.measure),
        "shortest": lambda: Shortest(settings.measure),
        "top": lambda: Top(_field(settings)),
        "bottom": lambda: Bottom(_field(settings)),
        "window": lambda: _window(settings),
        "balanced": lambda: Balanced(_field(settings), seed=seed),
        "power-law": lambda: PowerLaw(_field(settings), settings.measure, seed),
        "length-matched": lambda: length_matched(settings, turns),
        "kmeans": lambda: KMeans(settings.clusters, settings.take, settings.measure, seed),
        "k-center": lambda: KCenter(seed),
        "facility-location": lambda: FacilityLocation(settings.neighbours),
        "deita": lambda: Deita(
            *_quality(settings, own), 0.9 if settings.threshold is None else settings.threshold
        ),
        "qdit": lambda: Qdit(*_quality(settings, own), settings.alpha, settings.neighbours),
        "car": lambda: Car(*_quality(settings, own), settings.clusters, seed),
        "semdedup": lambda: _semdedup(settings, own),
        "t-shirt": lambda: Steady(spread=settings.score.neighbours != 0),
    }
    if by in SCORERS:
        return _better_end(by, SCORERS[by]())
    if by in POOL_SCORERS and by not in makers:
        return _better_end(by, POOL_SCORERS[by].make(settings.score))
    if by not in makers:
        known = (*makers, *SCORERS, *POOL_SCORERS)
        raise ConfigError(f"by: there is no selector {by!r}.{did_you_mean(by, known)}")
    return makers[by]()


def _better_end(name: str, scorer: Scorer | PoolScorer) -> Selector:
    if f"{name}_rank" in getattr(scorer, "values", ()):  # rows were ranked as a set, 1 the first to be taken
        return Bottom(f"{name}_rank")
    if scorer.better == "none":
        raise ConfigError(
            f"by: '{name}' says of no end that it is the better one. Name the end yourself: by 'top' (the highest) or "
            f"'bottom' (the lowest) with field '{name}'."
        )
    return Bottom(name) if scorer.better == "low" else Top(name, getattr(scorer, "ceiling", None))


def _window(settings: SelectSettings) -> Window:
    measure = settings.measure if settings.field is None else None
    return Window(settings.field or settings.measure, settings.low, settings.high, settings.seed, measure)


def _semdedup(settings: SelectSettings, own: Collection[str]) -> SemDeDup:
    column, highest, ceiling = (None, True, None) if settings.field is None else _quality(settings, own)
    return SemDeDup(column, highest, ceiling, settings.threshold, settings.clusters, settings.seed)


def _quality(settings: SelectSettings, own: Collection[str]) -> tuple[str, bool, float | None]:
    """The column that says how good a row is, whether its higher values are better, and the highest that counts."""
    column = _field(settings)
    if column in own:
        return column, True, None
    scorer: Scorer | PoolScorer | None = text_scorer(column)
    if column in POOL_SCORERS:
        scorer = POOL_SCORERS[column].make(settings.score)
    if scorer is not None and scorer.better == "none":
        raise ConfigError(
            f"field: '{column}' says of no end that it is the better one, so '{settings.by}' cannot rank by it."
        )
    return column, getattr(scorer, "better", "high") != "low", ceiling_of(column, settings.score)


def _field(settings: SelectSettings) -> str:
    if settings.field is None:
        raise ConfigError(f"field: '{settings.by}' needs the name of the column to rank or balance by.")
    return settings.field


def length_matched(settings: SelectSettings, turns: Turns) -> LengthMatched:
    """The control for the subset in the folder (or file) ``settings.of``, in the same measure.

    Raises:
        ConfigError: no subset is named.
        PoolError: it cannot be read.
    """
    if settings.of is None:
        raise ConfigError("of: 'length-matched' needs the folder of the subset whose lengths it copies.")
    path = Path(settings.of)
    subsets = [
        path / name for name in ("selected.jsonl", "selected.parquet", "selected") if (path / name).exists()
    ]
    other = read(subsets[0] if subsets else path, turns=turns)
    measure = settings.measure
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(
            other, [MEASURES[measure](settings.tokenizer)], (), Path(scratch) / "scores.arrow"
        )
        batches = list(scored.batches())
    lengths = tuple(value for batch in batches for value in batch[measure].to_pylist())
    own = (name for batch in batches for name in batch["id"].to_pylist()) if settings.disjoint else ()
    return LengthMatched(lengths, measure, settings.seed, frozenset(own))
