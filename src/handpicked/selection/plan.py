"""The plan of one selection: its selector, scorers, filters, number of rows and fingerprint.

The dry run prints the plan, the checks check it, the stage runs it, and the manifest records it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handpicked.catalogue import SELECTORS
from handpicked.config import ScoreSettings, SelectSettings
from handpicked.errors import ConfigError
from handpicked.guards.guard import Guard
from handpicked.method import settings_of
from handpicked.records import Pool, Turns
from handpicked.records.response_parts import Part
from handpicked.scorers.pool_scorer import PoolScorer
from handpicked.scorers.scorer import Scorer
from handpicked.scorers.text.length_tokens import LengthTokens
from handpicked.scorers.text.of_part import OfPart, of_part, whole
from handpicked.selection.guarded import Guarded
from handpicked.selection.guards import guard_files, plan_guards
from handpicked.selection.methods import (
    column_of,
    columns_made,
    direction,
    files_of,
    is_text_scorer,
    refuse_unused,
    scorer_files,
    scorer_of_column,
    scorers_for,
    selector_for,
)
from handpicked.selection.rounding import share_of
from handpicked.selection.scores import score_pool
from handpicked.selectors.embeddings import EMBEDDING
from handpicked.selectors.selector import Selector
from handpicked.store.versions import Versions
from handpicked.tokens.tokenizer import load_counter

SELECTION = 1
"""The version of what all selections share (reading columns, guards, ceilings, what is written). Raise it
when the same plan keeps other rows, or its files say other things of them.
"""


@dataclass(frozen=True)
class SelectionPlan:
    """What a selection by ``selector`` from ``pool`` takes and depends on. Made by
    ``plan_selection`` or ``plan_for``.

    ``texts`` are scorers that go with the pool's batches, ``fields`` columns of the pool itself, ``scorers``
    those that need a model, an endpoint or a target set. ``part`` is what of a response the selector's
    scorers of texts read. ``memory`` (bytes) is what the selector may take. ``settings`` are those of the
    user's settings that a result depends on, ``files`` the sha256 of the user's own files of methods.
    """

    pool: Pool
    selector: Selector
    guards: tuple[Guard, ...] = ()
    texts: tuple[Scorer | OfPart, ...] = ()
    fields: tuple[str, ...] = ()
    scorers: tuple[PoolScorer, ...] = ()
    size: int | None = None
    fraction: float | None = None
    tokenizer: str | None = None
    score: ScoreSettings = field(default_factory=ScoreSettings)
    part: Part = "response"
    memory: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Versions:
        """Of the selection itself, its selector, its scorers and those of its guards."""
        found = Versions.by(*self.texts, *self.scorers, self.selector, stage={"selection": SELECTION})
        guards = {f"guard {guard.name}": guard.version for guard in self.guards}
        return replace(found, methods={**found.methods, **guards})

    @property
    def inputs(self) -> dict[str, str]:
        """Hashes of the tokenizer that was named, by which lengths are counted, of what guards read besides
        the pool, and of the user's files of methods.
        """
        counting = [whole(one) for one in self.texts]
        named = [one.tokenizer for one in counting if isinstance(one, LengthTokens) and one.tokenizer]
        tokenizer = {"tokenizer": load_counter(named[0]).identity.sha256} if named else {}
        read = {f"guard {guard.name}": guard.identity for guard in self.guards if guard.identity}
        return {**tokenizer, **read, **{f"method {name}": sha for name, sha in self.files.items()}}

    @property
    def limited(self) -> bool:
        """Whether the selector may be given fewer rows than can be read."""
        return bool(self.guards or self.score.sample or self.score.prefilter)

    def wanted(self, readable: int, passed: int | None = None) -> int:
        """How many rows are kept, where ``readable`` of the pool can be read and guards let
        ``passed`` through (None: all).

        A fraction is one of the readable rows. A ``window`` or ``semdedup`` without a size may keep fewer.

        Raises:
            ConfigError: more than there are, with both numbers and where the others went.
        """
        passed = readable if passed is None else passed
        size = self.size if self.fraction is None else share_of(self.fraction, readable)
        if size is None:
            size = self.selector.size_without(passed)
        if size > passed:
            lost = [
                (self.pool.rows - readable, "cannot be read"),
                (readable - passed, "are dropped by guards"),
            ]
            losses = ", ".join(f"{count:,} {why}" for count, why in lost if count)
            raise ConfigError(
                f"size: {size:,} rows are requested, but the pool has {passed:,} to select from"
                f"{f' ({self.pool.rows:,} rows, of which {losses})' if losses else ''}. Lower the size."
            )
        return size

    def passed(self) -> int | None:
        """How many rows the guards let through; None without guards. Reads the pool and runs no model."""
        if not self.guards:
            return None
        scorers = {scorer.name: scorer for guard in self.guards for scorer in guard.scorers}
        with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
            scored = score_pool(self.pool, list(scorers.values()), (), Path(scratch) / "scores.arrow")
            return Guarded.by(scored, self.guards).rows

    @property
    def recorded(self) -> dict[str, Any]:
        """What a manifest says of the plan apart from selector, scorers and guards."""
        methods, libraries = dict(self.versions.methods), dict(self.versions.libraries)
        return {"part": self.part, "methods": methods, "libraries": libraries}


def plan_selection(pool: Pool, settings: SelectSettings, turns: Turns = "last") -> SelectionPlan:
    """The plan of a selection that ``settings`` ask for; ``turns`` is the rule by which ``pool`` was read.

    Raises:
        ConfigError: settings that contradict each other or the pool, such as a size beyond its rows.
    """
    own = fields_of(pool)
    if settings.by in own and SELECTORS.get(settings.by) is None:
        raise ConfigError(
            f"by: the pool already has a field '{settings.by}'. To rank by "
            "it, use top or bottom with field "
            f"'{settings.by}'; to have it computed, rename that field of the pool."
        )
    selector = selector_for(settings, own, turns=turns)
    plan = plan_for(pool, selector, settings, names=scorer_files(settings))
    return replace(
        plan,
        settings=_counting(plan, settings),
        files={**files_of(settings, ()), **guard_files(settings.guards)},
    )


def _counting(plan: SelectionPlan, settings: SelectSettings) -> dict[str, Any]:
    """Those of the user's settings that a result depends on."""
    common = settings.model_dump(mode="json", include=set(SelectSettings.model_fields) - {"options", "score"})
    if settings.part == "response":  # as before there were parts
        del common["part"]
    options = {
        key: value for key, value in settings.options.items() if key != "of"
    }  # of: its content is an input
    execution = {one.name for scorer in plan.scorers for one in settings_of(type(scorer)) if one.execution}
    score = settings.score.model_dump(mode="json", exclude_defaults=True)
    counting = {key: value for key, value in score.items() if key not in execution}
    return {**common, **options, "score": counting}


def plan_for(
    pool: Pool, selector: Selector, settings: SelectSettings, *, names: Sequence[str] = ()
) -> SelectionPlan:
    """The plan of a selection by a selector that is made already. ``names`` are
    scorers of the user's own files.

    Of ``settings`` size, fraction, guards, prompts, tokenizer, score and part are read: the part is what of a
    response the selector's scorers of texts read; guards read all of it.

    Raises:
        ConfigError: a size beyond the rows there are, an unknown guard, or settings that no
            scorer of the plan reads.
    """
    tokenizer, part = settings.tokenizer, settings.part
    guarding = plan_guards(settings.guards, settings.prompts, tokenizer)
    _check_size(pool, selector, settings.size, settings.fraction)
    own = fields_of(pool)
    selector = selector.directed(*direction(selector, own))
    by_text, fields, by_models = _columns(pool, selector, names)
    refuse_unused(by_text, by_models, settings.score)
    made = scorers_for([*by_text, *by_models], settings.score, tokenizer)
    guards_too = [scorer for guard in guarding for scorer in guard.scorers]
    ranking = [of_part(one, part) for one in made if isinstance(one, Scorer)]
    _check_part(part, selector, ranking, guards_too)
    texts: dict[str, Scorer | OfPart] = {one.name: one for one in [*guards_too, *ranking]}
    _check_names(selector, fields, [*texts, *(one for name in by_models for one in columns_made(name))])
    return SelectionPlan(
        pool,
        selector,
        guarding,
        tuple(texts.values()),
        fields,
        tuple(one for one in made if isinstance(one, PoolScorer)),
        settings.size,
        settings.fraction,
        tokenizer,
        settings.score,
        part,
        settings.memory,
    )


def _check_part(
    part: Part, selector: Selector, ranking: Sequence[Scorer | OfPart], guards: Sequence[Scorer]
) -> None:
    """Raise ConfigError for a part of the response where none is read, or where a guard needs
    the same score of all of it.
    """
    parted = {one.name for one in ranking if isinstance(one, OfPart)}
    if part != "response" and not parted:
        raise ConfigError(
            f"part: '{selector.name}' ranks by no text score of the response here, so there is no "
            f"{part} to look at. Leave it out."
        )
    both = next((one.name for one in guards if one.name in parted), None)
    if both is not None:
        raise ConfigError(
            f"part: a guard needs {both} of the whole response, and '{selector.name}' of the "
            f"{part}. Select by another measure."
        )


def fields_of(pool: Pool) -> tuple[str, ...]:
    """The fields of the pool itself."""
    fields: tuple[str, ...] = getattr(pool, "fields", ())
    return fields


def _columns(
    pool: Pool, selector: Selector, files: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What the selector needs, each once: names of text scorers, columns of the pool, and
    names of scorers by models.

    A column that the pool has itself is the pool's, but for the measure of a length, and embeddings
    where meanings are compared.
    """
    always = {*selector.length_columns, *((EMBEDDING,) if selector.compares_meaning else ())}
    own = set(fields_of(pool)) - always
    named = {column_of(name): name for name in files}
    texts: list[str] = []
    fields: list[str] = []
    models: list[str] = []
    for column in selector.columns:
        given = named.get(column, column)
        if column in own:
            fields.append(column)
        elif is_text_scorer(given):
            texts.append(given)
        elif (name := scorer_of_column(given)) is not None:
            models.append(name)
        else:
            fields.append(column)
    return tuple(dict.fromkeys(texts)), tuple(fields), tuple(dict.fromkeys(models))


def _check_names(selector: Selector, fields: Sequence[str], made: Sequence[str]) -> None:
    """Raise ConfigError where a column of the pool is needed and a score of its name too."""
    both = [one for one in fields if one in made]
    if both:
        raise ConfigError(
            f"field: the pool already has a field '{both[0]}', by which "
            f"'{selector.name}' selects, and a score of that "
            "name is needed too. Rename that field of the pool."
        )


def _check_size(pool: Pool, selector: Selector, size: int | None, fraction: float | None) -> None:
    """Checks of the size that need no pool."""
    if size is not None and fraction is not None:
        raise ConfigError(f"size: both a size ({size:,}) and a fraction ({fraction}) are given; give one.")
    if size is not None and size < 0:
        raise ConfigError(f"size: {size:,} is negative.")
    if size is not None and size > pool.rows:
        raise ConfigError(
            f"size: {size:,} rows are requested, but the pool has {pool.rows:,}. Lower the size."
        )
    if fraction is not None and not 0 <= fraction <= 1:
        raise ConfigError(f"fraction: {fraction} is not a share of the pool; give 0 to 1.")
    requested = size is not None or fraction is not None
    if requested and selector.size_rule == "none":
        raise ConfigError(
            f"size: '{selector.name}' keeps every row and takes no size. Leave it out, or select by 'random'."
        )
    if not requested and selector.size_rule == "needed":
        raise ConfigError(
            f"size: say how many rows '{selector.name}' keeps, as a size or as a fraction of the pool."
        )
