"""One selection from start to end: score, filter, choose, write."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError, PoolError
from handpicked.records import Pool, SelectionSummary, Turns
from handpicked.selection.execution import Execution
from handpicked.selection.guarded import Guarded
from handpicked.selection.guards import GuardEntry
from handpicked.selection.kept_scores import Content, KeptScores, modeled, most_scored
from handpicked.selection.memory import check_memory
from handpicked.selection.plan import SelectionPlan, plan_for, plan_selection
from handpicked.selection.reasons import none_left, none_readable, reasons_of
from handpicked.selection.result import Form, Selection
from handpicked.selection.rounding import share_of
from handpicked.selection.scores import score_pool
from handpicked.selection.top_rows import TopRows
from handpicked.selectors.embeddings import EMBEDDING, Embeddings
from handpicked.selectors.selector import Selector
from handpicked.settings import settings_of
from handpicked.store.outfolder import filling


def pick(
    pool: Pool,
    settings: SelectSettings,
    out: str | Path,
    *,
    turns: Turns = "last",
    form: Form = Form(),  # noqa: B008  (frozen)
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    command: Sequence[str] = (),
) -> SelectionSummary:
    """Score ``pool``, select from it by ``settings`` and write the subset into the folder ``out``.

    ``out`` gets ``selected.jsonl`` (or ``.parquet``; the original rows in pool order), ``scores.parquet``
    (row, id, every score, kept, reason, for every row of the pool), ``rejected.jsonl``, ``report.html`` and, last,
    ``manifest.json``. It is never half-written: files are made aside and renamed, and the same settings give
    the same bytes.

    ``turns`` is the rule by which ``pool`` was read; ``settings.of`` the folder of another subset; ``form``
    says how the rows are written, and ``execution`` where the work is done.

    Raises:
        ConfigError: settings that contradict each other or the pool, such as a size beyond its rows; or no
            row is kept. PoolError: no row can be read. StoreError: ``out`` cannot be written.
    """
    facts = {"settings": settings.model_dump(mode="json"), "turns": turns, "command": list(command)}
    plan = plan_selection(pool, settings, turns)
    return pick_by(plan, out, facts, form=form, execution=execution)


def pick_by(
    plan: SelectionPlan,
    out: str | Path,
    facts: Mapping[str, Any],
    *,
    form: Form = Form(),  # noqa: B008  (frozen)
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    kept: Sequence[KeptScores] | None = None,
) -> SelectionSummary:
    """``pick`` of a selection that is planned already; ``facts`` go into the manifest, ``kept``
    are its scores by models.
    """
    with filling(Path(out), form.names) as folder:
        hashing = Thread(target=_hash_inputs, args=(plan.pool,), daemon=True)
        hashing.start()  # as a daemon, because a mistake below need not wait for it
        scratch = folder / "scores.arrow"
        selection = select_by(plan, execution=execution, kept=kept, scratch=scratch)
        hashing.join()
        if plan.pool.rows and plan.size != 0 and not len(selection.rows):
            raise none_left(selection)
        selection.fill(folder, form, facts, execution.progress)
        return selection.summary


def _hash_inputs(pool: Pool) -> None:
    """Hashes the pool's files, which the manifest asks for at the end, while the pool is scored."""
    with contextlib.suppress(PoolError):  # raised again when the manifest asks
        pool.inputs()


def select(
    data: Any,
    by: Selector | str | Mapping[str, Mapping[str, Any]] = "longest",
    *,
    size: int | None = None,
    fraction: float | None = None,
    guards: str | Sequence[GuardEntry] = (),
    seed: int | None = None,
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    **settings: Any,
) -> Selection:
    """Score ``data`` and select ``size`` of its rows, or ``fraction`` of the readable ones (rounded down).

    ``data`` is a pool or anything that ``read`` takes: a file, a data frame, a Dataset, dictionaries. ``by``
    is a selector, or the name of one or of a scorer (``"longest"``, ``"ifd"``, ``"./mine.py:Verbose"``), or a
    name with its settings (``{"kmeans": {"clusters": 100}}``). ``guards`` (each ``name``, ``name=value`` or
    ``{name: settings}``, or the name of one alone) drop rows first. ``seed`` seeds every random choice of a method given by name.

    ``settings`` are fields of ``SelectSettings``, such as ``measure``, ``part``, ``tokenizer``, ``prompts``
    (files for the guard ``decontaminate``) and ``score`` (how a scorer computes, as ``ScoreSettings`` or a
    mapping), and those of the method that ``by`` names, such as ``clusters=100``. A selector may rank by a
    column that the pool lacks but a scorer computes, such as ``Top("ifd")``. Where the scorer states a
    ceiling (IFD: 1) and the selector does not, the scorer's applies; ``Top("ifd", ceiling=math.inf)`` lifts
    it.

    Raises:
        ConfigError: a size larger than the number of rows, an unknown name or setting, or a column that
        cannot be ranked. PoolError: ``data`` cannot be read, or rows are requested and none can be read.
    """
    named = (guards,) if isinstance(guards, str) else tuple(guards)
    given = {"size": size, "fraction": fraction, "guards": named, **settings}
    given["prompts"] = _files(settings.get("prompts", ()))
    if isinstance(by, type):
        raise ConfigError(f"by: {by.__name__} is a class. Give an object, {by.__name__}(...), or a name.")
    if isinstance(by, Selector):
        plan = _plan_by(read(data), by, settings_of(SelectSettings, given, ""), seed)
    else:
        given |= {"by": by} if seed is None else {"by": by, "seed": seed}
        plan = plan_selection(read(data), settings_of(SelectSettings, given, ""))
    return select_by(plan, execution=execution)


def _files(prompts: Any) -> list[str]:
    """The files of evaluation prompts, of which one may be given alone."""
    files = [prompts] if isinstance(prompts, str | os.PathLike) else list(prompts)
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise ConfigError(
                f"prompts: a list of files is needed, and this holds an object of type {type(file).__name__}. "
                "Write the prompts to a file first, one JSON object with a field 'prompt' in each line."
            )
    return [os.fspath(file) for file in files]


def _plan_by(pool: Pool, selector: Selector, settings: SelectSettings, seed: int | None) -> SelectionPlan:
    """The plan of a selection by a selector object, with the settings that the object does not have."""
    own = [*settings.options, *(["seed"] if seed is not None else [])]
    own += ["measure"] if "measure" in settings.model_fields_set else []
    if own:
        raise ConfigError(
            f"{own[0]}: {type(selector).__name__} has its own settings. Set it there, or "
            f"name the method: select(data, '{selector.name}', {own[0]}=...)."
        )
    return plan_for(pool, selector, settings)


def select_by(
    plan: SelectionPlan,
    *,
    execution: Execution = Execution(),  # noqa: B008  (frozen)
    kept: Sequence[KeptScores] | None = None,
    scratch: Path | None = None,
) -> Selection:
    """``select`` by a plan. ``kept`` are the scores by models, where they are already computed. Scores
    are kept in the file ``scratch`` (a temporary one by default) until the selection is written or discarded.
    """
    plan.selector.check(None if plan.limited else plan.pool.rows)
    by_models = scores_for(plan, execution=execution) if kept is None else kept
    scorers = (*plan.texts, *(column for one in by_models for column in one.columns))
    keep_alive: Any = None
    if scratch is None:
        keep_alive = tempfile.TemporaryDirectory(prefix="handpicked-")
        scratch = Path(keep_alive.name) / "scores.arrow"
    top_rows = _top_rows(plan, scratch)
    scored = score_pool(
        plan.pool,
        scorers,
        plan.fields,
        scratch,
        top_rows=top_rows,
        workers=execution.workers,
        progress=execution.progress,
    )
    if plan.size and plan.pool.rows and not scored.rows:
        raise none_readable(reasons_of(plan.pool.rejected()))
    guarded = Guarded.by(scored, plan.guards)
    wanted = plan.wanted(scored.rows, guarded.rows)
    scores = replace(guarded.scores(), workers=execution.workers, progress=execution.progress)
    rows = _seeing(plan, by_models).select(scores, wanted)
    if plan.selector.size_rule == "optional" and plan.size is None and plan.fraction is None:
        wanted = len(rows)
    _check_found(plan.selector, wanted, len(rows))
    return Selection(plan, scorers, guarded, rows, wanted, top_rows, keep_alive)


def scores_for(
    plan: SelectionPlan,
    *,
    content: Callable[[], Content] | None = None,
    execution: Execution = Execution(),  # noqa: B008  (frozen)
) -> list[KeptScores]:
    """The scores by models that the plan ranks by, computed now unless they are kept already;
    ``content`` is the pool's.
    """
    if not plan.scorers:
        return []
    known = Content.of(plan.pool) if content is None else content()
    check_memory(plan, most_scored(plan.score, known.readable))
    return modeled(
        plan.pool, plan.scorers, plan.score,
        size=plan.size, fraction=plan.fraction, tokenizer=plan.tokenizer,
        content=lambda: known, execution=execution,
    )  # fmt: skip


def _top_rows(plan: SelectionPlan, scratch: Path) -> TopRows | None:
    """What puts aside, next to ``scratch``, the rows that may win: for selectors of the
    highest or lowest of one column.
    """
    size, extreme = plan.size, plan.selector.extreme
    if plan.fraction is not None:
        size = share_of(plan.fraction, plan.pool.rows)
    if plan.guards or size is None or extreme is None:
        return None
    return TopRows(extreme.column, extreme.highest, size, scratch.with_name("top_rows.arrow"))


def _seeing(plan: SelectionPlan, by_models: Sequence[KeptScores]) -> Selector:
    """The selector with its embeddings, where it needs some, and the memory that it may take."""
    selector: Any = plan.selector
    made = [one for one in by_models if one.columns[0].name == EMBEDDING]
    if made and selector.compares_meaning and EMBEDDING in selector.columns:
        return plan.selector.with_embeddings(Embeddings.load(made[0].folder, memory=plan.memory))
    if plan.memory is not None and getattr(selector, "embeddings", None) is not None:
        return plan.selector.with_embeddings(replace(selector.embeddings, memory=plan.memory))
    return plan.selector


def _check_found(selector: Selector, wanted: int, found: int) -> None:
    """Raise ConfigError where a selector that leaves rows out has found too few."""
    if found < wanted:
        over = selector.leaves_out
        raise ConfigError(
            f"size: {wanted:,} rows are requested, but '{selector.name}' finds "
            f"{found:,}: the others have no value "
            f"of {' or '.join(selector.columns)}, or {over}. Lower the size."
        )
