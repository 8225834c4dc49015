"""Selectors, measures and text scorers by the names that users type."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, did_you_mean
from handpicked.pick.scored import score_pool
from handpicked.records import Turns
from handpicked.score.compression import CompressionRatio
from handpicked.score.ending import CutOff
from handpicked.score.features import FEATURES
from handpicked.score.length_chars import LengthChars
from handpicked.score.length_nltk import LengthNltk
from handpicked.score.length_tokens import LengthTokens
from handpicked.score.length_words import LengthWords
from handpicked.score.repetition import RepeatedNgrams
from handpicked.score.root_verb import RootVerb
from handpicked.score.scorer import Scorer
from handpicked.select.balanced import Balanced
from handpicked.select.full import Full
from handpicked.select.length_matched import LengthMatched
from handpicked.select.power_law import PowerLaw
from handpicked.select.random import Random
from handpicked.select.ranked import Bottom, Longest, Shortest, Top
from handpicked.select.selector import Selector
from handpicked.select.window import Window

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
}


def text_scorer(name: str, tokenizer: str | None = None) -> Scorer | None:
    """The text scorer of that name, or ``None``: then it is a column of the pool."""
    if name in MEASURES:
        return MEASURES[name](tokenizer)
    return SCORERS[name]() if name in SCORERS else None


def selector_for(settings: SelectSettings, turns: Turns = "last") -> Selector:
    """The selector that ``settings.by`` names; a text scorer's name selects its better end.

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
        "window": lambda: Window(settings.field or settings.measure, settings.low, settings.high, seed),
        "balanced": lambda: Balanced(_field(settings), seed=seed),
        "power-law": lambda: PowerLaw(_field(settings), settings.measure, seed),
        "length-matched": lambda: length_matched(settings, turns),
    }
    if by in SCORERS and SCORERS[by]().better == "none":
        raise ConfigError(
            f"by: more or less of '{by}' is neither better nor worse, so say which end: by 'top' or 'bottom' with field "
            f"'{by}' (or 'window', 'balanced')."
        )
    if by in SCORERS:
        return Bottom(by) if SCORERS[by]().better == "low" else Top(by)
    if by not in makers:
        raise ConfigError(f"by: there is no selector {by!r}.{did_you_mean(by, (*makers, *SCORERS))}")
    return makers[by]()


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
