"""The selector and the scorers that settings name, made and ready: the catalogue's classes
with the user's settings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from handpicked.catalogue import GUARDS, SCORERS, SELECTORS, AnyScorer, file_hash, is_file
from handpicked.config import ScoreSettings, SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, did_you_mean
from handpicked.guards.guard import Guard
from handpicked.method import make, settings_of
from handpicked.records import Turns
from handpicked.records.response_parts import Part
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.of_part import of_part
from handpicked.selection.scores import score_pool
from handpicked.selectors.ranked import Bottom, Top
from handpicked.selectors.selector import Selector

EVERY_SCORER_TAKES = ("sample", "prefilter", "seed")
SHARED = ("measure", "seed")
"""Settings of a selection that are passed to a selector with a setting of that name."""


def measures() -> list[str]:
    """The measures of length, by name."""
    return [name for name, one in SCORERS.shipped.items() if issubclass(one, Scorer) and one.measure]


def measure(name: str, tokenizer: str | None = None) -> Scorer:
    """The scorer that measures lengths by that name."""
    found = text_scorer(name, tokenizer)
    assert found is not None and found.measure, name
    return found


def text_scorer(name: str, tokenizer: str | None = None) -> Scorer | None:
    """The text scorer of that name, or ``None``: then it is a scorer by a model, or a column of the pool."""
    found = SCORERS.get(name)
    if found is None or not issubclass(found, Scorer):
        return None
    return make(found, name, _counted(found, tokenizer))


def _counted(scorer: type[AnyScorer], tokenizer: str | None) -> dict[str, str]:
    takes = any(one.name == "tokenizer" for one in settings_of(scorer))
    return {} if tokenizer is None or not takes else {"tokenizer": tokenizer}


def scorers_for(
    names: Sequence[str], settings: ScoreSettings, tokenizer: str | None = None
) -> list[Scorer | PoolScorer]:
    """The scorers of these names, each with those of ``settings`` that it takes.

    Raises:
        ConfigError: a setting is given that none of them takes, or one lacks a setting
            that it needs; all at once.
    """
    classes = {name: SCORERS.find(name, "scorer") for name in names}
    taken = {name: {one.name for one in settings_of(found)} for name, found in classes.items()}
    given = settings.of_scorers
    every = {key for keys in taken.values() for key in keys}
    mistakes = [_not_taken(key, list(names), every) for key in given if key not in every]
    made = []
    for name, found in classes.items():
        values = {key: value for key, value in given.items() if key in taken[name]}
        if settings.seed and "seed" in taken[name]:
            values.setdefault("seed", settings.seed)
        try:
            made.append(
                make(found, name, {**_counted(found, tokenizer), **values}, lambda key: f"score.{key}")
            )
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(*mistakes)
    return made


def is_text_scorer(name: str) -> bool:
    """Whether a scorer of that name needs the text alone."""
    found = SCORERS.get(name)
    return found is not None and issubclass(found, Scorer)


def refuse_unused(by_text: Sequence[str], by_models: Sequence[str], settings: ScoreSettings) -> None:
    """Settings of scorers where nothing is scored by one that takes any.

    Raises:
        ConfigError: there are some.
    """
    taken = {one.name for name in by_text for one in settings_of(SCORERS.find(name, "scorer"))}
    given = [*settings.of_scorers, *(one for one in EVERY_SCORER_TAKES if getattr(settings, one))]
    if given and not by_models and not taken.intersection(given):
        raise ConfigError(
            f"score.{given[0]}: nothing here is scored by a model, an endpoint or a target set. Leave it out."
        )


def _not_taken(key: str, names: Sequence[str], every: Collection[str]) -> str:
    known = sorted({*EVERY_SCORER_TAKES, *every})
    quoted = " and ".join(f"'{name}'" for name in names)
    return f"score.{key}: {quoted} has no such setting.{did_you_mean(key, known)}"


def scorer_of_column(column: str) -> str | None:
    """The name of the scorer by a model that makes this column, its main one or a
    companion; ``None``: none does.
    """
    by_models = {name: one for name, one in SCORERS.shipped.items() if issubclass(one, PoolScorer)}
    if is_file(column) or column in by_models:
        return column
    for name in sorted(by_models, key=len, reverse=True):
        if column in (*by_models[name].made_columns(name), f"{name}_reason"):
            return name
    return None


def scorer_files(settings: SelectSettings) -> list[str]:
    """The scorers of the user's own files that a selection names."""
    named = [name for name in (settings.by, settings.field) if name is not None and is_file(name)]
    return [name for name in named if not issubclass(class_of(name) or Selector, Selector)]


def column_of(name: str) -> str:
    """The column that a scorer of the user's own file makes."""
    found = SCORERS.find(name, "scorer")
    return found.called(name)


def columns_made(name: str) -> tuple[str, ...]:
    """The columns of a scorer by a model, its reasons among them."""
    found = SCORERS.find(name, "scorer")
    values = found.made_columns(name) if issubclass(found, PoolScorer) else (found.called(name),)
    return (*values, f"{found.called(name)}_reason")


def selector_for(
    settings: SelectSettings, own: Collection[str] = (), *, turns: Turns = "last", whole: bool = True
) -> Selector:
    """The selector that ``settings.by`` names; the name of a scorer selects its better end.

    ``own`` are the fields of the pool: as ``field`` they take precedence over scorers of the same name. A
    selector that copies another subset reads it by the rule ``turns``, unless ``whole`` is false.

    Raises:
        ConfigError: no such method, or settings that it does not take.
    """
    by = settings.by
    selector = class_of(by)
    if selector is None:
        raise ConfigError(
            f"by: there is no method {by!r}.{did_you_mean(by, [*SELECTORS.names, *SCORERS.names])}"
        )
    if issubclass(selector, Selector):
        made = _made(selector, settings)
        if not whole or made.copies is None:
            return made
        return with_other(made, settings.tokenizer, turns, settings.part)
    if settings.options:
        key = next(iter(settings.options))
        raise ConfigError(
            f"{key}: '{by}' is a scorer; its settings are written under 'score' "
            f"(score.{key}={settings.options[key]})."
        )
    return _better_end(by, selector)


def class_of(by: str) -> type[Selector] | type[AnyScorer] | None:
    """The selector or scorer of that name, or the method in that file. ``None``: there is none.

    Raises:
        ConfigError: the file holds no such class, or one of another kind.
    """
    if not is_file(by):
        return SELECTORS.get(by) or SCORERS.get(by)
    try:
        return SELECTORS.get(by)
    except ConfigError as error:
        try:
            return SCORERS.get(by)
        except ConfigError:
            raise error from None


def any_class_of(name: str) -> type[Selector] | type[AnyScorer] | type[Guard] | None:
    """The selector, scorer or guard of that name, or the method in that file. ``None``: there is none.

    Raises:
        ConfigError: the file holds no such class, or one of another kind.
    """
    try:
        return class_of(name) or GUARDS.get(name)
    except ConfigError as error:
        try:
            return GUARDS.get(name)
        except ConfigError:
            raise error from None


def _made(selector: type[Selector], settings: SelectSettings) -> Selector:
    takes = {one.name for one in settings_of(selector)}
    options = dict(settings.options)
    if is_file(str(options.get("field", ""))):  # a scorer of the user's own: its column is ranked by
        options["field"] = column_of(options["field"])
    shared = {name: getattr(settings, name) for name in SHARED if name in takes}
    beside = [name for name in type(settings).model_fields if name != "options"]
    return make(selector, settings.by, {**shared, **options}, beside=beside)


def _better_end(by: str, scorer: type[AnyScorer]) -> Selector:
    name = scorer.called(by)
    if issubclass(scorer, PoolScorer) and f"{name}_rank" in scorer.made_columns(name):
        return Bottom(f"{name}_rank")  # rows are ranked as a set, 1 the first to be taken
    if scorer.better == "none":
        raise ConfigError(
            f"by: '{by}' does not say which end is better. Choose one "
            "yourself: 'top' (the highest) or "
            f"'bottom' (the lowest) with field '{by}'."
        )
    return Bottom(name) if scorer.better == "low" else Top(name, scorer.ceiling)


def direction(selector: Selector, own: Collection[str]) -> tuple[bool | None, float | None]:
    """Whether the highest values of the column that ``selector`` ranks by are the best (None: nobody says
    so), and the highest that counts: by the scorer, or for a field of the pool the highest and none.
    """
    column = selector.ranks_by
    if column is None or column in own:
        return True, None
    name = scorer_of_column(column) or column
    found = SCORERS.get(name)
    if found is None:
        return True, None
    better = None if column == found.called(name) and found.better == "none" else found.better != "low"
    return better, ceiling_of(column)


def ceiling_of(column: str) -> float | None:
    """The highest value of ``column`` that counts, where a scorer makes it and states one.

    Its ratio of losses is over 1 exactly when its ratio of perplexities is, so that both have one ceiling.
    """
    name = scorer_of_column(column) or column
    found = SCORERS.get(name)
    return found.ceiling if found is not None and column in (name, f"{name}_loss_ratio") else None


def with_other(selector: Selector, tokenizer: str | None, turns: Turns, part: Part = "response") -> Selector:
    """``selector`` with the lengths of this part of the responses and ids of the subset that it
    copies, from its folder or file.

    Raises:
        PoolError: it cannot be read.
    """
    assert selector.copies is not None
    path = Path(selector.copies)
    subsets = [
        path / name for name in ("selected.jsonl", "selected.parquet", "selected") if (path / name).exists()
    ]
    other = read(subsets[0] if subsets else path, turns=turns)
    (counted,) = selector.length_columns
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(
            other, [of_part(measure(counted, tokenizer), part)], (), Path(scratch) / "scores.arrow"
        )
        batches = list(scored.batches())
    lengths = [value for batch in batches for value in batch[counted].to_pylist()]
    return selector.with_subset(lengths, [name for batch in batches for name in batch["id"].to_pylist()])


def files_of(settings: SelectSettings, names: Sequence[str]) -> Mapping[str, str]:
    """The sha256 of each user's file that a selection runs, by the name that was given."""
    found = {}
    for name in (settings.by, settings.field, *names):
        method = class_of(name) if name is not None and is_file(name) else None
        if name is not None and method is not None and (sha := file_hash(method)) is not None:
            found[name] = sha
    return found
