"""The path of a selection: score, guard, choose, write."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, cast

from handpicked.config import ScoreSettings, SelectSettings
from handpicked.engine import Runner
from handpicked.errors import ConfigError, PoolError
from handpicked.options import settings_of
from handpicked.pick.audit import Truncation
from handpicked.pick.guarding import GuardPlan, plan_guards
from handpicked.pick.hopefuls import Hopefuls
from handpicked.pick.methods import (
    POOL_SCORERS,
    SCORERS,
    ceiling_of,
    pool_scorer_of,
    selector_for,
    text_scorer,
)
from handpicked.pick.modeled import Modeled, modeled, share
from handpicked.pick.outfolder import filling
from handpicked.pick.scored import ScoredPool, score_pool
from handpicked.pick.selection import FILES, Guarded, Selection
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, SelectionSummary, Turns
from handpicked.score.scorer import Scorer
from handpicked.select.clusters import load_faiss
from handpicked.select.embeddings import EMBEDDING, Embeddings
from handpicked.select.facility_location import FacilityLocation, check_rows
from handpicked.select.full import Full
from handpicked.select.length_matched import LengthMatched
from handpicked.select.qdit import Qdit
from handpicked.select.ranked import Bottom, Longest, Shortest, Top
from handpicked.select.selector import Selector
from handpicked.select.semdedup import SemDeDup
from handpicked.select.window import Window
from handpicked.store import Run

log = logging.getLogger(__name__)


def pick(
    pool: Pool,
    settings: SelectSettings,
    out: str | Path,
    progress: Progress = SILENT,
    *,
    turns: Turns = "last",
    format: str = "original",
    container: str | None = None,
    runner: Runner = "native",
    address: str | None = None,
    truncation: Truncation | None = None,
    command: Sequence[str] = (),
    run: Run | None = None,
    say: Callable[[str], None] = log.info,
) -> SelectionSummary:
    """Score ``pool``, select from it by ``settings`` and write the subset into the folder ``out``.

    ``out`` gets ``selected.jsonl`` (or ``.parquet``; the original rows in pool order), ``scores.parquet`` (row, id,
    every score, kept, reason, for every row of the pool), ``rejected.jsonl`` and, last, ``manifest.json``. It is never
    half-written: files are made aside and renamed, and the same settings give the same bytes.

    ``turns`` is the rule by which ``pool`` was read; ``settings.of`` the folder of another subset; ``truncation`` asks
    how many selected rows a maximum sequence length would cut. Scores by a model, an endpoint or a target set are kept in
    ``run`` (an experiment's store), by default in the cache folder; ``say`` is told beforehand what they will take.

    Raises:
        ConfigError: settings that contradict each other or the pool, such as a size beyond its rows.
        StoreError: ``out`` cannot be written.
    """
    selector = selector_for(settings, turns, _own(pool))
    if settings.by in {*SCORERS, *POOL_SCORERS}.intersection(_own(pool)):
        raise ConfigError(
            f"by: the pool has a field '{settings.by}' of its own. To rank by it, say top or bottom with field "
            f"'{settings.by}'; to have it computed, rename that field of the pool."
        )
    with filling(Path(out), FILES) as folder:
        hashing = Thread(target=_hash_inputs, args=(pool,), daemon=True)
        hashing.start()  # as a daemon, because a mistake below need not wait for it
        selection = select(
            pool,
            selector,
            size=settings.size,
            fraction=settings.fraction,
            guards=settings.guards,
            prompts=settings.prompts,
            tokenizer=settings.tokenizer,
            score=settings.score,
            run=run,
            say=say,
            scratch=folder / "scores.arrow",
            runner=runner,
            address=address,
            progress=progress,
        )
        hashing.join()
        facts = {"settings": settings.model_dump(mode="json"), "turns": turns, "command": list(command)}
        selection.fill(folder, format, container, truncation, facts, progress)
        return selection.summary


def _hash_inputs(pool: Pool) -> None:
    """Hashes the pool's files, which the manifest asks for at the end, while the pool is scored."""
    with contextlib.suppress(PoolError):  # raised again when the manifest asks
        pool.inputs()


def select(
    pool: Pool,
    selector: Selector,
    *,
    size: int | None = None,
    fraction: float | None = None,
    guards: Sequence[str] = (),
    prompts: Sequence[str | Path] = (),
    tokenizer: str | None = None,
    score: ScoreSettings | Mapping[str, Any] | None = None,
    run: Run | None = None,
    say: Callable[[str], None] = log.info,
    scratch: Path | None = None,
    runner: Runner = "native",
    address: str | None = None,
    progress: Progress = SILENT,
) -> Selection:
    """Score ``pool`` and select ``size`` of its rows, or ``fraction`` of the readable ones (rounded down).

    ``guards`` (each ``name`` or ``name=value``) drop rows first; ``prompts`` are files for the guard ``decontaminate``.
    A column that the pool has not itself may be any scorer's, such as ``Top("ifd")``; ``score`` says how it is computed
    (``ScoreSettings``, or its fields as a mapping), ``run`` and ``say`` are as for ``pick``. Where the scorer states a ceiling
    (IFD: 1) and the selector none, it is taken; ``Top("ifd", ceiling=math.inf)`` has none.
    Scores wait in the file ``scratch`` (a temporary one by default) until the selection is written or let go.

    Raises:
        ConfigError: a size beyond the rows there are, an unknown guard, or a column that cannot be ranked.
    """
    plans = plan_guards(guards, prompts, tokenizer)
    _check_budget(pool, selector, size, fraction)
    settings = (
        score if isinstance(score, ScoreSettings) else settings_of(ScoreSettings, score or {}, "score.")
    )
    texts, fields, names = _columns(pool, selector, plans, tokenizer, settings)
    selector = _with_ceiling(selector, _own(pool), settings)
    _check_meaning(selector, None if guards or settings.sample or settings.prefilter else pool.rows)
    if names and runner == "ray":
        say(f"{' and '.join(names)}: computed in this process; only the rest of the work goes to Ray")
    by_models = modeled(
        pool, names, settings,
        size=size, fraction=fraction, tokenizer=tokenizer, run=run, say=say, progress=progress,
    )  # fmt: skip
    scorers = (*texts, *(column for one in by_models for column in one.columns))
    keep_alive: Any = None
    if scratch is None:
        keep_alive = tempfile.TemporaryDirectory(prefix="handpicked-")
        scratch = Path(keep_alive.name) / "scores.arrow"
    hopefuls = None if plans else _hopefuls(selector, pool.rows, size, fraction, scratch)
    scored = score_pool(
        pool,
        scorers,
        fields,
        scratch,
        hopefuls=hopefuls,
        runner=runner,
        address=address,
        progress=progress,
    )
    guarded = Guarded.by(scored, plans)
    wanted = _budget(pool, selector, scored, guarded, size, fraction)
    rows = _seeing(selector, by_models).select(guarded.scores(), wanted)
    if isinstance(selector, Window | SemDeDup) and size is None and fraction is None:
        wanted = len(rows)
    _check_found(selector, wanted, len(rows))
    return Selection(pool, selector, scorers, guarded, rows, wanted, tokenizer, hopefuls, keep_alive)


def _hopefuls(
    selector: Selector, rows: int, size: int | None, fraction: float | None, scratch: Path
) -> Hopefuls | None:
    """What puts aside, next to ``scratch``, the rows that may win: for selectors of the highest or lowest of one column."""
    if fraction is not None:
        size = share(fraction, rows)
    if size is None or not isinstance(selector, Longest | Shortest | Top | Bottom):
        return None
    if isinstance(selector, Top) and selector.ceiling is not None:
        return None  # which rows are over it is not looked at before they are chosen
    highest = isinstance(selector, Longest | Top)
    return Hopefuls(selector.columns[0], highest, size, scratch.with_name("hopefuls.arrow"))


def _seeing(selector: Selector, by_models: Sequence[Modeled]) -> Selector:
    """The selector with the embeddings that were made for it, where it asks for some."""
    for one in by_models:
        if (
            one.columns[0].name == EMBEDDING
            and EMBEDDING in selector.columns
            and hasattr(selector, "embeddings")
        ):
            return cast("Selector", replace(cast("Any", selector), embeddings=Embeddings.load(one.folder)))
    return selector


def modeled_for(
    pool: Pool,
    settings: SelectSettings,
    *,
    run: Run | None = None,
    say: Callable[[str], None] = log.info,
    progress: Progress = SILENT,
) -> list[Modeled]:
    """The scores by models that a selection by ``settings`` ranks by, computed now unless they are kept already."""
    if settings.by == "length-matched":
        return []
    selector = selector_for(settings, own=_own(pool))
    _, _, names = _columns(pool, selector, (), settings.tokenizer, settings.score)
    return modeled(
        pool, names, settings.score,
        size=settings.size, fraction=settings.fraction, tokenizer=settings.tokenizer,
        run=run, say=say, progress=progress,
    )  # fmt: skip


def _own(pool: Pool) -> tuple[str, ...]:
    """The fields of the pool itself."""
    fields: tuple[str, ...] = getattr(pool, "fields", ())
    return fields


def _with_ceiling(selector: Selector, own: Collection[str], settings: ScoreSettings) -> Selector:
    """The selector with its scorer's ceiling where it names none; infinity is none."""
    chosen: Any = selector
    if not hasattr(chosen, "ceiling") or chosen.column is None:
        return selector
    ceiling = chosen.ceiling
    if ceiling is None and chosen.column not in own:
        ceiling = ceiling_of(chosen.column, settings)
    return cast("Selector", replace(chosen, ceiling=None if ceiling == math.inf else ceiling))


def _columns(
    pool: Pool,
    selector: Selector,
    plans: Sequence[GuardPlan],
    tokenizer: str | None,
    settings: ScoreSettings,
) -> tuple[tuple[Scorer, ...], tuple[str, ...], tuple[str, ...]]:
    """What selector and guards need, each once: text scorers, columns of the pool, and names of pool scorers.

    A column that the pool has itself is the pool's, but for the measure of a length, and embeddings where meanings are compared.

    Raises:
        ConfigError: a column of the pool is needed and a score of its name too.
    """
    always = {getattr(selector, "measure", None), EMBEDDING if hasattr(selector, "embeddings") else None}
    own = set(_own(pool)) - always
    texts: dict[str, Scorer] = {}
    fields, names = [], []
    for column in selector.columns:
        if column in own:
            fields.append(column)
        elif (scorer := text_scorer(column, tokenizer)) is not None:
            texts[column] = scorer
        elif (name := pool_scorer_of(column, settings)) is not None:
            names.append(name)
        else:
            fields.append(column)
    for plan in plans:
        for scorer in plan.scorers:
            texts.setdefault(scorer.name, scorer)
    made = [
        value for name in names for value in (*POOL_SCORERS[name].make(settings).values, f"{name}_reason")
    ]
    both = [one for one in fields if one in texts or one in made]
    if both:
        raise ConfigError(
            f"field: the pool has a field '{both[0]}' of its own, by which '{selector.name}' selects, and a score of that "
            "name is needed too. Rename that field of the pool."
        )
    return tuple(texts.values()), tuple(fields), tuple(dict.fromkeys(names))


def _check_budget(pool: Pool, selector: Selector, size: int | None, fraction: float | None) -> None:
    """What can be said of the size before the pool is read."""
    if size is not None and fraction is not None:
        raise ConfigError(f"size: both a size ({size:,}) and a fraction ({fraction}) are given; give one.")
    if size is not None and size < 0:
        raise ConfigError(f"size: {size:,} is less than no rows.")
    if size is not None and size > pool.rows:
        raise ConfigError(
            f"size: {size:,} rows were asked for, but the pool has {pool.rows:,}. Lower the size."
        )
    if fraction is not None and not 0 <= fraction <= 1:
        raise ConfigError(f"fraction: {fraction} is no share of the pool; give 0 to 1.")
    asked = size is not None or fraction is not None
    if isinstance(selector, Full) and asked:
        raise ConfigError(
            "size: 'full' keeps every row and takes no size. Leave it out, or select by 'random'."
        )
    if isinstance(selector, SemDeDup) and selector.threshold is not None:
        return
    if not asked and not isinstance(selector, Full | LengthMatched | Window):
        raise ConfigError(
            f"size: say how many rows '{selector.name}' keeps, as a size or as a fraction of the pool."
        )


def _check_meaning(selector: Selector, rows: int | None) -> None:
    """What would be late to find after an hour of embedding; ``rows`` where it is known how many are compared."""
    if isinstance(selector, FacilityLocation | Qdit) and rows is not None:
        check_rows(rows, selector.neighbours, selector.name)
    if hasattr(selector, "embeddings"):
        load_faiss()  # which most of them need


def _check_found(selector: Selector, wanted: int, found: int) -> None:
    """A selector that leaves rows out may find too few, which shows only once it has looked at all."""
    if found < wanted:
        ceiling = getattr(selector, "ceiling", None)
        over = "lie outside of what it chooses from" if ceiling is None else f"are over {ceiling:g}"
        raise ConfigError(
            f"size: {wanted:,} rows were asked for, but '{selector.name}' finds {found:,}: the others have no value "
            f"of {' or '.join(selector.columns)}, or {over}. Lower the size."
        )


def _budget(
    pool: Pool,
    selector: Selector,
    scored: ScoredPool,
    guarded: Guarded,
    size: int | None,
    fraction: float | None,
) -> int:
    """How many rows to keep.

    Raises:
        ConfigError: more than there are, with both numbers and where the others went.
    """
    if fraction is not None:
        size = share(fraction, scored.rows)
    if size is None:
        size = len(selector.lengths) if isinstance(selector, LengthMatched) else guarded.rows
    if size > guarded.rows:
        lost = [
            (pool.rows - scored.rows, "cannot be read"),
            (scored.rows - guarded.rows, "are dropped by guards"),
        ]
        told = ", ".join(f"{count:,} {why}" for count, why in lost if count)
        raise ConfigError(
            f"size: {size:,} rows were asked for, but the pool has {guarded.rows:,} to select from"
            f"{f' ({pool.rows:,} rows, of which {told})' if told else ''}. Lower the size."
        )
    return size
