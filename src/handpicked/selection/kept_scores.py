"""Scores by a model, an endpoint or a target set: computed once, kept and resumed. They take hours or money,
so they are a stage of a store: of the experiment's run folder, or of a cache folder of their own, named after
the pool's content, for the command line. A killed job resumes where it stopped, and selecting after scoring
costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from handpicked.catalogue import SCORERS
from handpicked.config import ScoreSettings, SelectSettings, result_settings
from handpicked.errors import ConfigError, did_you_mean
from handpicked.models.bundled import cache_folder
from handpicked.progress import Progress
from handpicked.records import Pool
from handpicked.scorers.pool_scorer import FACTS, SCORES, PoolScorer
from handpicked.scorers.scorer import ScoreColumn, Scorer
from handpicked.scorers.stored import Stored, StoredReason
from handpicked.selection.described import described
from handpicked.selection.execution import Execution
from handpicked.selection.methods import selector_for, text_scorer
from handpicked.selection.rounding import share_of
from handpicked.selection.scores import score_pool
from handpicked.selectors.random import Random
from handpicked.selectors.selector import Scores
from handpicked.store import LOST, Run, Stage, digest, open_run, read_json
from handpicked.store.versions import Versions
from handpicked.workers import Workers

SCORING = 1
"""The version of what all scores by models share: how rows are sampled and prefiltered, and what is kept of
each. Raise it when the same scorer would leave other values.
"""


def prefilters() -> list[str]:
    """The selectors and scorers that are cheap enough to choose what is scored."""
    cheap = [
        name for name, one in SCORERS.shipped.items() if issubclass(one, Scorer) and one.better != "none"
    ]
    return ["longest", "shortest", "random", *cheap]


@dataclass(frozen=True)
class Content:
    """What identifies a pool as it was read (a hash of its rows, messages and response
    lengths), and its readable rows.
    """

    identity: str
    readable: int

    @staticmethod
    def of(pool: Pool) -> Content:
        """Reads the pool once."""
        total, readable = hashlib.sha256(), 0
        for shard in pool.shards:
            for batch in shard.read(["row", "id", "response"]):
                lengths = pc.binary_length(batch["response"]).to_numpy(zero_copy_only=False)
                total.update(batch["row"].to_numpy().tobytes() + lengths.astype("int64").tobytes())
                total.update("".join(batch["id"].to_pylist()).encode())
                readable += len(batch)
        return Content(total.hexdigest(), readable)


@dataclass(frozen=True)
class KeptScores:
    """What a pool scorer left: its value columns (main one first) and their reasons, and
    the stage that made them.
    """

    columns: tuple[ScoreColumn, ...]
    stage: Stage
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.stage.folder


def modeled(
    pool: Pool,
    scorers: Sequence[PoolScorer],
    settings: ScoreSettings,
    *,
    size: int | None = None,
    fraction: float | None = None,
    tokenizer: str | None = None,
    content: Callable[[], Content] | None = None,
    execution: Execution = Execution(),  # noqa: B008  (frozen)
) -> list[KeptScores]:
    """The scores of ``pool`` by ``scorers``, made of ``settings``: those that are kept
    already, else computed now.

    They are kept in the run of ``execution`` (an experiment's), or else under ``HANDPICKED_CACHE``
    (``~/.cache/handpicked``). It gets a line on what it will take before the work begins, and says who works.
    ``size`` or ``fraction`` is what is to be selected by them; a prefilter by tokens counts with
    ``tokenizer``; ``content`` is that of the pool where it is known. Where the scorer lost rows (``LOST``),
    these are scored again, and the scores stay as they are if that fails.

    Raises:
        ConfigError: fewer rows to score than are to be selected;
        MissingPart, EndpointError: as the scorer says;
        StoreError: another process computes the same scores just now, or they cannot be written.
    """
    if not scorers:
        return []
    chosen = rows_to_score(pool, settings, tokenizer, Content.of(pool) if content is None else content())
    check_enough([scorer.name for scorer in scorers], settings, chosen, chosen.wanted(size, fraction))
    stores = _Stores(execution.run, execution.say, execution.keep_versions)
    return [
        _modeled(pool, scorer, settings, chosen, stores, execution.workers, execution.progress)
        for scorer in scorers
    ]


@dataclass(frozen=True)
class ToScore:
    """The rows to be scored (None: all that can be read), how many of the ``readable`` these are, why the
    others are not, the scorers of the prefilter, and what identifies the pool.
    """

    rows: Sequence[int] | None
    count: int
    readable: int
    outside: str
    prefilter: Sequence[Scorer]
    pool: str

    def wanted(self, size: int | None, fraction: float | None) -> int:
        """How many rows are to be selected; 0 where the selector decides."""
        return share_of(fraction, self.readable) if fraction is not None else size or 0

    @property
    def identity(self) -> str:
        return (
            "all" if self.rows is None else hashlib.sha256(json.dumps(list(self.rows)).encode()).hexdigest()
        )


def check_enough(names: Sequence[str], settings: ScoreSettings, chosen: ToScore, wanted: int) -> None:
    """Hours of scoring, or paid requests, must not end with too few rows.

    Raises:
        ConfigError: so many cannot be selected of those that are to be scored, or there are none.
    """
    scorers = " and ".join(names)
    limits = [f"score.{name}" for name in ("prefilter", "sample") if getattr(settings, name) is not None]
    if not chosen.count:
        why = "score.prefilter keeps none" if chosen.readable else "none of the pool's rows can be read"
        raise ConfigError(f"score: there is nothing to score by {scorers}: {why}.")
    if wanted <= chosen.count:
        return
    if not limits:
        raise ConfigError(
            f"size: {wanted:,} rows are requested, but only {chosen.count:,} of the "
            "pool can be read. Lower the size."
        )
    leaves = "leaves" if len(limits) == 1 else "leave"
    raise ConfigError(
        f"size: {wanted:,} rows are requested, but {' and '.join(limits)} {leaves} "
        f"{chosen.count:,} to be scored by "
        f"{scorers}. Lower the size, or score more rows."
    )


def _modeled(
    pool: Pool,
    scorer: PoolScorer,
    settings: ScoreSettings,
    chosen: ToScore,
    stores: _Stores,
    workers: Workers,
    progress: Progress,
) -> KeptScores:
    arguments = result_settings(scorer)
    inputs = {"pool": chosen.pool, "rows": chosen.identity, "scorer": scorer.identity()}

    def make(work: Path, lost: int) -> Mapping[str, Any]:
        if not lost:
            stores.say(f"{scorer.name}: {scorer.estimate(pool, chosen.rows).sentence}")
        if scorer.forget_earlier(work):
            stores.say(
                f"{scorer.name}: the unfinished work of an earlier version of handpicked "
                "cannot be resumed; it starts anew"
            )
        scorer.score_on(workers, pool, chosen.rows, work, progress)
        return _facts(scorer, work, chosen.count)

    versions = Versions.by(scorer, stage={"scores": SCORING})
    with stores.open(chosen.pool, _names(scorer, inputs)) as (store, name):
        stage = store.asking_stage(
            name, make, inputs=inputs, settings=arguments, versions=versions, shown_as=scorer.name
        )
    return KeptScores(
        _columns(scorer, stage, settings, arguments, inputs["scorer"], chosen),
        stage,
        _fingerprint(stage),
    )


def _fingerprint(stage: Stage) -> str:
    """Of the scores: where rows were lost these may change though nothing that they depend on
    does, so their content counts.
    """
    return (
        f"{stage.fingerprint} {digest(stage.folder / SCORES)}" if stage.facts.get(LOST) else stage.fingerprint
    )


def _names(scorer: PoolScorer, inputs: Mapping[str, str]) -> list[str]:
    """Names of the folder of these scores: that of today, and that of layout 1, which named it
    after every argument too.
    """

    def plain(value: Any) -> Any:
        return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)

    later = {one.name for one in fields(scorer) if one.metadata.get("later")}  # type: ignore[arg-type]  # a frozen dataclass, as the protocol says
    given = {name: value for name, value in asdict(scorer).items() if name not in later}  # type: ignore[call-overload]
    every = json.loads(json.dumps(given, default=plain))
    return [
        f"{scorer.name}-{hashlib.sha256(json.dumps([inputs, one], sort_keys=True).encode()).hexdigest()[:12]}"
        for one in (result_settings(scorer), every)
    ]


@dataclass(frozen=True)
class _Stores:
    """Where scores are kept: in an experiment's run, else each in a folder of the cache, so that other
    settings neither wait for it nor replace it.
    """

    run: Run | None
    say: Callable[[str], None]
    keep_versions: bool

    @contextmanager
    def open(self, pool: str, names: Sequence[str]) -> Iterator[tuple[Run, str]]:
        """The store, and the name in it of the scores that are kept under the first
        of ``names`` that is there.
        """
        place = self.run.folder / "scores" if self.run else cache_folder() / "scores" / pool[:16]
        name = next((one for one in names if (place / one).is_dir()), names[0])
        if self.run is not None:
            yield self.run, f"scores/{name}"
            return
        with open_run(place / name, self.say, keep_versions=self.keep_versions) as store:
            yield store, "done"


def _facts(scorer: PoolScorer, work: Path, expected: int) -> dict[str, Any]:
    """Rows, nulls by reason, and the scorer's own facts."""
    with pa.memory_map(str(work / SCORES)) as source:
        table = pa.ipc.open_file(source).read_all()
    if len(table) != expected:
        raise AssertionError(f"{scorer.name} left {len(table)} rows where {expected} were to be scored")
    reasons = table["reason"].filter(table[scorer.name].is_null()).value_counts()
    nulls = {one["values"]: one["counts"] for one in reasons.to_pylist()}
    if None in nulls:
        raise AssertionError(f"{scorer.name} left {nulls[None]} nulls without a reason")
    noted = read_json(work / FACTS) if (work / FACTS).is_file() else {}
    return {"rows": len(table), "null": nulls, **noted}


def _columns(
    scorer: PoolScorer,
    stage: Stage,
    settings: ScoreSettings,
    arguments: Mapping[str, Any],
    identity: str,
    chosen: ToScore,
) -> tuple[ScoreColumn, ...]:
    file, reasons = str(stage.folder / SCORES), f"{scorer.name}_reason"
    limits = {key: value for key in ("sample", "prefilter", "seed") if (value := getattr(settings, key))}
    if chosen.prefilter:
        limits["prefilter by"] = [described(one) for one in chosen.prefilter]
    kept = {"kept although": list(stage.origin.kept)} if stage.origin.kept else {}
    about = {"scorer": dict(arguments), "made of": identity, **limits, **kept, **stage.facts}
    missing = f"see {reasons}" + (f"; {chosen.outside}" if chosen.rows is not None else "")
    main = Stored(
        scorer.name, file, scorer.unit, scorer.better, scorer.scope, scorer.cost, missing, reasons, about
    )
    others = [
        Stored(name, file, f"goes with {scorer.name}", "none", scorer.scope, scorer.cost, missing, reasons)
        for name in scorer.values[1:]
    ]
    return (main, *others, StoredReason(reasons, file, chosen.outside))


def rows_to_score(pool: Pool, settings: ScoreSettings, tokenizer: str | None, content: Content) -> ToScore:
    """The rows that ``prefilter`` and then ``sample`` leave. Both depend on content, not on the pool's order."""
    rows: Sequence[int] | None = None
    outside = []
    scorers: Sequence[Scorer] = ()
    if settings.prefilter is not None:
        rows, scorers = _prefiltered(pool, settings, tokenizer)
        outside.append(f"not among the rows of the prefilter {settings.prefilter}")
    if settings.sample is not None:
        rows = _sampled(pool, rows, settings)
        outside.append(f"not in the random sample of {len(rows):,} rows")
    count = content.readable if rows is None else len(rows)
    why = " or ".join(outside) or "not scored"
    return ToScore(rows, count, content.readable, why, scorers, content.identity)


def most_scored(settings: ScoreSettings, readable: int) -> int:
    """How many of ``readable`` rows ``prefilter`` and ``sample`` leave."""
    left = [readable, *([] if settings.sample is None else [settings.sample])]
    if settings.prefilter is not None:
        left.append(prefilter_of(settings.prefilter).size or 0)
    return min(left)


def prefilter_of(text: str) -> SelectSettings:
    """``longest:5000`` as settings. Raises ConfigError for a selector that is not a cheap one."""
    by, _, size = text.partition(":")
    if by not in prefilters():
        raise ConfigError(f"score.prefilter: '{by}' is not a cheap selector.{did_you_mean(by, prefilters())}")
    return SelectSettings(by=by, size=int(size))


def _prefiltered(
    pool: Pool, settings: ScoreSettings, tokenizer: str | None
) -> tuple[Sequence[int], Sequence[Scorer]]:
    """The rows that the prefilter keeps, and the scorers that it went by."""
    assert settings.prefilter is not None
    wanted = prefilter_of(settings.prefilter)
    selector = selector_for(wanted.model_copy(update={"seed": settings.seed}))
    scorers = [scorer for name in selector.columns if (scorer := text_scorer(name, tokenizer)) is not None]
    with tempfile.TemporaryDirectory(prefix="handpicked-") as scratch:
        scored = score_pool(pool, scorers, (), Path(scratch) / "scores.arrow")
        rows: list[int] = selector.select(Scores(scored.batches, scored.rows), wanted.size or 0).tolist()
    return rows, scorers


def _sampled(pool: Pool, among: Sequence[int] | None, settings: ScoreSettings) -> Sequence[int]:
    assert settings.sample is not None
    kept = None if among is None else pa.array(among, pa.int64())
    batches = []
    for shard in pool.shards:
        for batch in shard.read(["row", "id"]):
            few = batch if kept is None else batch.filter(pa.compute.is_in(batch["row"], kept))
            batches.append(
                pa.record_batch([few["row"], few["id"].cast(pa.large_string())], names=["row", "id"])
            )
    schema = pa.schema([("row", pa.int64()), ("id", pa.large_string())])
    table = pa.Table.from_batches(batches, schema)
    rows: list[int] = (
        Random(settings.seed).select(Scores.of(table), min(settings.sample, len(table))).tolist()
    )
    return rows
