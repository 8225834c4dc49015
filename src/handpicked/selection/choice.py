"""One selection from start to end: score, filter, choose, write."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from handpicked.config import ScoreSettings, SelectSettings
from handpicked.errors import ConfigError, PoolError
from handpicked.progress import SILENT, Progress
from handpicked.records import Pool, SelectionSummary, Turns
from handpicked.rounding import share_of
from handpicked.selection.audit import Truncation
from handpicked.selection.kept_scores import Content, KeptScores, modeled
from handpicked.selection.plan import SelectionPlan, plan_for, plan_selection
from handpicked.selection.reasons import none_left, none_readable
from handpicked.selection.result import FILES, Guarded, Selection
from handpicked.selection.scores import score_pool
from handpicked.selection.top_rows import TopRows
from handpicked.selectors.embeddings import EMBEDDING, Embeddings
from handpicked.selectors.selector import Selector
from handpicked.settings import settings_of
from handpicked.store import Run
from handpicked.store.outfolder import filling
from handpicked.workers import THIS_MACHINE, Workers

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
    workers: Workers = THIS_MACHINE,
    truncation: Truncation | None = None,
    command: Sequence[str] = (),
    run: Run | None = None,
    keep_versions: bool = False,
    say: Callable[[str], None] = log.info,
) -> SelectionSummary:
    """Score ``pool``, select from it by ``settings`` and write the subset into the folder ``out``.

    ``out`` gets ``selected.jsonl`` (or ``.parquet``; the original rows in pool order), ``scores.parquet``
    (row, id, every score, kept, reason, for every row of the pool), ``rejected.jsonl`` and, last,
    ``manifest.json``. It is never half-written: files are made aside and renamed, and the same settings give
    the same bytes.

    ``turns`` is the rule by which ``pool`` was read; ``settings.of`` the folder of another subset;
    ``truncation`` asks how many selected rows a maximum sequence length would cut. Scores by a model, an
    endpoint or a target set are kept in ``run`` (an experiment's store), by default in the cache folder,
    where ``keep_versions`` goes on with what other versions of libraries or methods made; ``say`` gets a line
    beforehand on what they will take.

    Raises:
        ConfigError: settings that contradict each other or the pool, such as a size beyond its rows; or no
            row is kept. PoolError: no row can be read. StoreError: ``out`` cannot be written.
    """
    facts = {"settings": settings.model_dump(mode="json"), "turns": turns, "command": list(command)}
    return pick_by(
        plan_selection(pool, settings, turns),
        out,
        facts,
        progress,
        format=format,
        container=container,
        workers=workers,
        truncation=truncation,
        run=run,
        keep_versions=keep_versions,
        say=say,
    )


def pick_by(
    plan: SelectionPlan,
    out: str | Path,
    facts: Mapping[str, Any],
    progress: Progress = SILENT,
    *,
    format: str = "original",
    container: str | None = None,
    workers: Workers = THIS_MACHINE,
    truncation: Truncation | None = None,
    run: Run | None = None,
    keep_versions: bool = False,
    say: Callable[[str], None] = log.info,
    kept: Sequence[KeptScores] | None = None,
) -> SelectionSummary:
    """``pick`` of a selection that is planned already; ``facts`` go into the manifest, ``kept``
    are its scores by models.
    """
    with filling(Path(out), FILES) as folder:
        hashing = Thread(target=_hash_inputs, args=(plan.pool,), daemon=True)
        hashing.start()  # as a daemon, because a mistake below need not wait for it
        scratch = folder / "scores.arrow"
        selection = select_by(
            plan,
            run=run,
            keep_versions=keep_versions,
            say=say,
            kept=kept,
            scratch=scratch,
            workers=workers,
            progress=progress,
        )
        hashing.join()
        if plan.pool.rows and plan.size != 0 and not len(selection.rows):
            raise none_left(selection)
        selection.fill(folder, format, container, truncation, facts, progress)
        return selection.summary


def _hash_inputs(pool: Pool) -> None:
    """Hashes the pool's files, which the manifest asks for at the end, while the pool is scored."""
    with contextlib.suppress(PoolError):  # raised again when the manifest asks
        pool.inputs()


def select(
    pool: Pool,
    selector: Selector | str | Mapping[str, Mapping[str, Any]],
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
    workers: Workers = THIS_MACHINE,
    progress: Progress = SILENT,
) -> Selection:
    """Score ``pool`` and select ``size`` of its rows, or ``fraction`` of the readable ones (rounded down).

    ``selector`` is a selector, or the name of one or of a scorer (``"longest"``, ``"ifd"``,
    ``"./mine.py:Verbose"``), or a name with its settings (``{"kmeans": {"clusters": 100}}``).

    ``guards`` (each ``name`` or ``name=value``) drop rows first; ``prompts`` are files for the guard
    ``decontaminate``. A column that the pool has not itself may be any scorer's, such as ``Top("ifd")``;
    ``score`` says how it is computed (``ScoreSettings``, or its fields as a mapping), ``run`` and ``say`` are
    as for ``pick``. Where the scorer states a ceiling (IFD: 1) and the selector none, it is taken;
    ``Top("ifd", ceiling=math.inf)`` has none. Scores wait in the file ``scratch`` (a temporary one by
    default) until the selection is written or let go.

    Raises:
        ConfigError: a size beyond the rows there are, an unknown guard, or a column that cannot be ranked.
        PoolError: rows were asked for, and none can be read.
    """
    settings = (
        score if isinstance(score, ScoreSettings) else settings_of(ScoreSettings, score or {}, "score.")
    )
    if isinstance(selector, Selector):
        plan = plan_for(
            pool,
            selector,
            size=size,
            fraction=fraction,
            guards=guards,
            prompts=prompts,
            tokenizer=tokenizer,
            score=settings,
        )
    else:
        asked: dict[str, Any] = {
            "by": selector,
            "size": size,
            "fraction": fraction,
            "guards": guards,
            "tokenizer": tokenizer,
        }
        asked |= {"prompts": [str(prompt) for prompt in prompts], "score": settings}
        plan = plan_selection(pool, settings_of(SelectSettings, asked, ""))
    return select_by(plan, run=run, say=say, scratch=scratch, workers=workers, progress=progress)


def select_by(
    plan: SelectionPlan,
    *,
    run: Run | None = None,
    keep_versions: bool = False,
    say: Callable[[str], None] = log.info,
    kept: Sequence[KeptScores] | None = None,
    scratch: Path | None = None,
    workers: Workers = THIS_MACHINE,
    progress: Progress = SILENT,
) -> Selection:
    """``select`` as it was planned. ``kept`` are the scores by models where they are computed already."""
    plan.selector.check(None if plan.limited else plan.pool.rows)
    by_models = kept
    if by_models is None:
        by_models = scores_for(
            plan, workers=workers, run=run, keep_versions=keep_versions, say=say, progress=progress
        )
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
        workers=workers,
        progress=progress,
    )
    if plan.size and plan.pool.rows and not scored.rows:
        raise none_readable(list(plan.pool.rejected()))
    guarded = Guarded.by(scored, plan.guards)
    wanted = plan.wanted(scored.rows, guarded.rows)
    rows = _seeing(plan.selector, by_models).select(guarded.scores(), wanted)
    if plan.selector.size_rule == "optional" and plan.size is None and plan.fraction is None:
        wanted = len(rows)
    _check_found(plan.selector, wanted, len(rows))
    return Selection(plan, scorers, guarded, rows, wanted, top_rows, keep_alive)


def scores_for(
    plan: SelectionPlan,
    *,
    content: Callable[[], Content] | None = None,
    workers: Workers = THIS_MACHINE,
    run: Run | None = None,
    keep_versions: bool = False,
    say: Callable[[str], None] = log.info,
    progress: Progress = SILENT,
) -> list[KeptScores]:
    """The scores by models that the plan ranks by, computed now unless they are kept already;
    ``content`` is the pool's.
    """
    return modeled(
        plan.pool, plan.scorers, plan.score,
        size=plan.size, fraction=plan.fraction, tokenizer=plan.tokenizer,
        content=content, workers=workers, run=run, keep_versions=keep_versions, say=say, progress=progress,
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


def _seeing(selector: Selector, by_models: Sequence[KeptScores]) -> Selector:
    """The selector with the embeddings that were made for it, where it works on some."""
    made = [one for one in by_models if one.columns[0].name == EMBEDDING]
    if not made or not selector.compares_meaning or EMBEDDING not in selector.columns:
        return selector
    return selector.with_embeddings(Embeddings.load(made[0].folder))


def _check_found(selector: Selector, wanted: int, found: int) -> None:
    """A selector that leaves rows out may find too few, which shows only once it has looked at all."""
    if found < wanted:
        over = selector.leaves_out
        raise ConfigError(
            f"size: {wanted:,} rows were asked for, but '{selector.name}' finds "
            f"{found:,}: the others have no value "
            f"of {' or '.join(selector.columns)}, or {over}. Lower the size."
        )
