"""Select: score a pool, choose from the scores, write the subset with the reasons."""

from __future__ import annotations

import json
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpicked._version import __version__
from handpicked.config import SelectSettings
from handpicked.engine import Runner
from handpicked.errors import ConfigError, PoolError, did_you_mean
from handpicked.outfolder import MANIFEST, filling
from handpicked.progress import SILENT, Progress
from handpicked.records import Dropped, Pool, Rejected, SelectionSummary, Turns, to_json
from handpicked.score.length_chars import LengthChars
from handpicked.score.length_nltk import LengthNltk
from handpicked.score.length_tokens import LengthTokens
from handpicked.score.length_words import LengthWords
from handpicked.score.scorer import Scorer
from handpicked.scored import ScoredPool, score_pool
from handpicked.select.full import Full
from handpicked.select.length_matched import LengthMatched
from handpicked.select.random import Random
from handpicked.select.ranked import Bottom, Longest, Shortest, Top
from handpicked.select.selector import Scores, Selector
from handpicked.store import digest, write_json, writing

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FILES = ("selected.jsonl", "selected.parquet", "selected", "scores.parquet", "rejected.jsonl", MANIFEST)
MEASURES = ("tokens", "nltk", "words", "chars")


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
    command: Sequence[str] = (),
) -> SelectionSummary:
    """Score ``pool``, select from it by ``settings`` and write the subset into the folder ``out``.

    ``out`` gets ``selected.jsonl`` (or ``.parquet``; the original rows in pool order), ``scores.parquet`` (row, id,
    every score, kept, reason, for every row of the pool), ``rejected.jsonl`` and, last, ``manifest.json``. It is never
    half-written: files are made aside and renamed, and the same settings give the same bytes.

    ``turns`` is the rule by which ``pool`` was read. ``settings.of`` is the folder of another subset.

    Raises:
        ConfigError: settings that contradict each other or the pool, such as a size beyond its rows.
        StoreError: ``out`` cannot be written.
    """
    with filling(Path(out), FILES) as folder:
        selection = select(
            pool,
            selector_for(settings, turns),
            size=settings.size,
            fraction=settings.fraction,
            tokenizer=settings.tokenizer,
            scratch=folder / "scores.arrow",
            runner=runner,
            address=address,
            progress=progress,
        )
        facts = {"settings": settings.model_dump(mode="json"), "turns": turns, "command": list(command)}
        selection.fill(folder, format=format, container=container, facts=facts, progress=progress)
        return selection.summary


def selector_for(settings: SelectSettings, turns: Turns = "last") -> Selector:
    """The selector that ``settings.by`` names.

    Raises:
        ConfigError: no such selector, or a field that it needs is not set.
    """
    makers: dict[str, Callable[[], Selector]] = {
        "full": Full,
        "random": lambda: Random(settings.seed),
        "longest": lambda: Longest(settings.measure),
        "shortest": lambda: Shortest(settings.measure),
        "top": lambda: Top(_field(settings)),
        "bottom": lambda: Bottom(_field(settings)),
        "length-matched": lambda: LengthMatched(
            _lengths_of(settings, turns), settings.measure, settings.seed
        ),
    }
    if settings.by not in makers:
        raise ConfigError(f"by: there is no selector {settings.by!r}.{did_you_mean(settings.by, makers)}")
    return makers[settings.by]()


def _field(settings: SelectSettings) -> str:
    if settings.field is None:
        raise ConfigError(f"field: '{settings.by}' needs the name of the column to rank or balance by.")
    return settings.field


def _lengths_of(settings: SelectSettings, turns: Turns) -> tuple[int, ...]:
    """The response lengths of the subset to match, in the same measure."""
    from handpicked.data.reading import read

    if settings.of is None:
        raise ConfigError("of: 'length-matched' needs the folder of the subset whose lengths it copies.")
    folder = Path(settings.of)
    names = [name for name in ("selected.jsonl", "selected.parquet") if (folder / name).is_file()]
    other = read(folder / names[0] if names else folder, turns=turns)
    scorer = measure_scorer(settings.measure, settings.tokenizer)
    with tempfile.TemporaryDirectory() as scratch:
        scored = score_pool(other, [scorer], (), Path(scratch) / "scores.arrow")
        return tuple(value for batch in scored.batches() for value in batch[settings.measure].to_pylist())


def measure_scorer(measure: str, tokenizer: str | None = None) -> Scorer:
    """The scorer of a length measure: tokens, nltk, words or chars."""
    makers: dict[str, Callable[[], Scorer]] = {
        "tokens": lambda: LengthTokens(tokenizer),
        "nltk": LengthNltk,
        "words": LengthWords,
        "chars": LengthChars,
    }
    if measure not in makers:
        raise ConfigError(f"measure: there is no measure {measure!r}.{did_you_mean(measure, makers)}")
    return makers[measure]()


def select(
    pool: Pool,
    selector: Selector,
    *,
    size: int | None = None,
    fraction: float | None = None,
    tokenizer: str | None = None,
    scratch: Path | None = None,
    runner: Runner = "native",
    address: str | None = None,
    progress: Progress = SILENT,
) -> Selection:
    """Score ``pool`` and select ``size`` of its rows, or ``fraction`` of the readable ones (rounded down).

    Scores wait in ``scratch`` (a temporary file by default) until the selection is written or let go.

    Raises:
        ConfigError: a size beyond the rows there are, or a column that cannot be ranked.
    """
    scorers = tuple(measure_scorer(name, tokenizer) for name in selector.columns if name in MEASURES)
    fields = tuple(name for name in selector.columns if name not in MEASURES)
    keep_alive = None
    if scratch is None:
        keep_alive = tempfile.TemporaryDirectory(prefix="handpicked-")
        scratch = Path(keep_alive.name) / "scores.arrow"
    scored = score_pool(pool, scorers, fields, scratch, runner=runner, address=address, progress=progress)
    budget = _budget(pool, selector, scored.rows, size, fraction)
    rows = selector.select(Scores(scored.batches, scored.rows), budget)
    if budget is not None and len(rows) < budget and not isinstance(selector, Full):
        raise ConfigError(
            f"size: {budget:,} rows were asked for, but only {len(rows):,} have a value to be selected by "
            f"({', '.join(selector.columns)}). Lower the size."
        )
    return Selection(pool, selector, scorers, scored, rows, budget, keep_alive)


def _budget(pool: Pool, selector: Selector, readable: int, size: int | None, fraction: float | None) -> int:
    """How many rows to keep.

    Raises:
        ConfigError: none, both or too many were asked for.
    """
    if size is not None and fraction is not None:
        raise ConfigError(f"size: both a size ({size:,}) and a fraction ({fraction}) are given; give one.")
    if isinstance(selector, Full):
        if size is not None or fraction is not None:
            raise ConfigError(
                "size: 'full' keeps every row and takes no size. Leave it out, or use 'random'."
            )
        return readable
    if isinstance(selector, LengthMatched) and size is None and fraction is None:
        size = len(selector.lengths)
    if size is None and fraction is None:
        raise ConfigError(
            f"size: say how many rows '{selector.name}' keeps, as a size or as a fraction of the pool."
        )
    if fraction is not None:
        return int(fraction * readable + 1e-9)
    assert size is not None
    if size > readable:
        unread = pool.rows - readable
        told = f" ({pool.rows:,} rows, {unread:,} of them unreadable)" if unread else ""
        raise ConfigError(
            f"size: {size:,} rows were asked for, but the pool has {readable:,} to select from{told}. Lower the size."
        )
    return size


@dataclass
class Selection:
    """Which rows of a pool were kept, and of every other row why it was not. Made by ``select``.

    ``rows`` are the kept ones, ascending. ``write`` puts the subset on disk.
    """

    pool: Pool
    selector: Selector
    scorers: tuple[Scorer, ...]
    scored: ScoredPool
    rows: np.ndarray[Any, Any]
    size: int
    _keep_alive: Any = None
    _summary: SelectionSummary | None = None
    _rejected: list[Rejected] | None = None

    def write(
        self, out: str | Path, *, format: str = "original", container: str | None = None
    ) -> SelectionSummary:
        """Write the subset into folder ``out``, as ``pick`` does."""
        with filling(Path(out), FILES) as folder:
            self.fill(folder, format=format, container=container)
        return self.summary

    @property
    def summary(self) -> SelectionSummary:
        """What was kept, dropped and rejected, in counts."""
        if self._summary is None:
            for _ in self.table():
                pass
        assert self._summary is not None
        return self._summary

    @property
    def rejected(self) -> Sequence[Rejected]:
        """The rows that could not be read."""
        if self._rejected is None:
            expected = self.pool.rows - self.scored.rows
            self._rejected = sorted(self.pool.rejected(), key=lambda one: one.row) if expected else []
            if len(self._rejected) != expected:
                raise PoolError(
                    f"the pool changed while it was read: {expected:,} of its {self.pool.rows:,} rows gave no score, but "
                    f"{len(self._rejected):,} are unreadable now. Run again when nothing writes to it."
                )
        return self._rejected

    def table(self) -> Iterator[pa.RecordBatch]:
        """Every row of the pool, in order: row, id, scores, kept, reason (null when kept)."""
        import numpy as np

        reasons: Counter[str] = Counter()
        kept = 0
        waiting = list(self.rejected)
        for batch in self.scored.batches():
            rows = batch["row"].to_numpy()
            chosen = np.isin(
                rows,
                self.rows[slice(*np.searchsorted(self.rows, (rows[0], rows[-1] + 1)))],
                assume_unique=True,
            )
            table = self._explained(batch, chosen, reasons)
            kept += int(chosen.sum())
            before = [one for one in waiting if one.row < rows[-1]]
            waiting = waiting[len(before) :]
            yield _with_rejected(table, before)
        if waiting:
            yield _with_rejected(
                self._explained(_empty(self.scored.schema), np.zeros(0, bool), reasons), waiting
            )
        self._summary = SelectionSummary(
            method=self.selector.name,
            pool=self.pool.rows,
            kept=kept,
            rejected=len(self.rejected),
            dropped=tuple(Dropped(reason, count) for reason, count in sorted(reasons.items())),
            settings={"size": self.size, **_fields(self.selector)},
        )

    def _explained(self, batch: pa.RecordBatch, chosen: Any, reasons: Counter[str]) -> pa.RecordBatch:
        """The batch with its columns ``kept`` and ``reason``; counts the reasons."""
        import numpy as np
        import pyarrow as pa

        texts = [self.selector.why_not(self.size)]
        codes = np.zeros(len(batch), dtype=np.int32)
        for name in self.selector.columns:
            if batch[name].null_count:
                texts.append(self._missing(name))
                codes[batch[name].is_null().to_numpy(zero_copy_only=False)] = len(texts) - 1
        for code, count in zip(*np.unique(codes[~chosen], return_counts=True), strict=True):
            reasons[texts[code]] += int(count)
        reason = pa.array(texts).take(_nullable(codes, chosen))
        columns = [*batch.columns, pa.array(chosen.tolist(), pa.bool_()), reason]
        return pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, "kept", "reason"])

    def _missing(self, column: str) -> str:
        for scorer in self.scorers:
            if scorer.name == column:
                return f"no {column}: {scorer.missing}"
        return f"no {column}: the field is empty or no number"

    def fill(
        self,
        folder: Path,
        *,
        format: str = "original",
        container: str | None = None,
        facts: Mapping[str, Any] | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Write the files of the selection into ``folder``, the manifest last."""
        with writing(folder):
            chosen = self.rows.tolist()
            if container is None:
                self.pool.write(chosen, folder, format)
            else:
                self.pool.write(chosen, folder, format, container)  # type: ignore[call-arg]
            self._write_scores(folder / "scores.parquet", progress)
            with (folder / "rejected.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as file:
                file.writelines(to_json(one) + "\n" for one in self.rejected)
            write_json(folder / MANIFEST, self._manifest(folder, facts or {}))

    def _write_scores(self, file: Path, progress: Progress) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [*self.scored.schema, pa.field("kept", pa.bool_()), pa.field("reason", pa.string())]
        with (
            pq.ParquetWriter(file, pa.schema(fields), compression="zstd") as writer,
            progress("write", self.pool.rows) as step,
        ):
            for batch in self.table():
                writer.write_batch(batch)
                step(len(batch))

    def _manifest(self, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        summary = self.summary
        return {
            "handpicked": __version__,
            "pool": {
                "format": self.pool.format,
                "why": self.pool.why,
                "rows": self.pool.rows,
                "inputs": [dict(one) for one in self.pool.inputs()],
            },
            "selector": {"name": self.selector.name, **_fields(self.selector)},
            "counts": {
                "pool": summary.pool,
                "kept": summary.kept,
                "rejected": summary.rejected,
                "dropped": {part.reason: part.rows for part in summary.dropped},
            },
            "scores": [_described(scorer) for scorer in self.scorers],
            "outputs": {
                name: {"sha256": digest(folder / name)} for name in FILES if (folder / name).exists()
            },
            "versions": _versions(),
            **facts,
        }


def _with_rejected(batch: pa.RecordBatch, rejected: Sequence[Rejected]) -> pa.RecordBatch:
    """The batch with the rejected rows at their places: no id, no score, and the reason."""
    if not rejected:
        return batch
    import pyarrow as pa

    more = {
        "row": pa.array([one.row for one in rejected], pa.int64()),
        "kept": pa.array([False] * len(rejected)),
        "reason": pa.array([f"rejected: {one.reason}" for one in rejected]),
    }
    columns = [more.get(field.name, pa.nulls(len(rejected), field.type)) for field in batch.schema]
    both = pa.concat_batches([batch, pa.RecordBatch.from_arrays(columns, schema=batch.schema)])
    return both.sort_by("row")


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _fields(record: Any) -> dict[str, Any]:
    """The recorded arguments of a scorer or selector; the lengths of a matched subset are too many to repeat."""
    return (
        {key: value for key, value in asdict(record).items() if key != "lengths"}
        if is_dataclass(record)
        else {}
    )


def _described(scorer: Scorer) -> dict[str, Any]:
    from handpicked.score.tokenizer import load_tokenizer

    described = {"name": scorer.name, "unit": scorer.unit, "better": scorer.better, **_fields(scorer)}
    if isinstance(scorer, LengthTokens):
        described["tokenizer"] = load_tokenizer(scorer.tokenizer).identity.as_dict()
    return described


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("pyarrow", "numpy", "gigatoken", "tokenizers", "daft", "nltk"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a written selection."""
    manifest: dict[str, Any] = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    return manifest
