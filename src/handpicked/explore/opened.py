"""What was named on the command line, opened: a pool, a folder of 'select' or 'score', a run, judged pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from handpicked.data.named import is_named
from handpicked.data.remote import is_remote
from handpicked.errors import ConfigError, HandpickedError, PoolError
from handpicked.explore.arms import arm_columns, arms_of
from handpicked.explore.columns import Category, Column
from handpicked.explore.embedded import Map, Projection, embeddings_of, map_of
from handpicked.explore.index import Index, Reading, index_of
from handpicked.explore.notes import NoteFile
from handpicked.explore.pairs import Pairs
from handpicked.explore.pool_columns import Noted, pool_columns, readable
from handpicked.explore.scored import SCORES, STATES, ScoreFile, manifest, score_file
from handpicked.explore.table import Table, unique_names
from handpicked.models.bundled import cache_folder
from handpicked.progress import SILENT, Progress
from handpicked.records import Json
from handpicked.store import read_json
from handpicked.votes.open import cases_of

Kind = Literal["pool", "selection", "scores", "run", "judged pairs"]
NOTES = "notes.jsonl"


@dataclass(frozen=True)
class Wanted:
    """What to open and how. ``pool`` replaces the pool that a folder names; ``reading`` is how it is read."""

    what: tuple[str, ...]
    pool: tuple[str, ...] = ()
    reading: Reading = Reading()  # noqa: RUF009  (frozen)
    notes: Path | None = None
    projection: Projection = "pca"


@dataclass(frozen=True)
class Opened:
    """What the page shows. ``accounts`` are the parts that the rows of the pool add up from.

    ``groups`` says of each column where it comes from; ``shown`` are the columns beside each row at first;
    ``arms`` the state of each row in each arm. A folder of judged pairs alone has no table.
    """

    title: str
    kind: Kind
    notes: NoteFile
    index: Index | None = None
    table: Table | None = None
    accounts: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    arms: Mapping[str, Category] = field(default_factory=dict)
    map: Map | None = None
    pairs: Pairs | None = None
    remarks: tuple[str, ...] = ()


def open_wanted(
    wanted: Wanted, progress: Progress = SILENT, say: Callable[[str], None] = lambda _: None
) -> Opened:
    """Open it, and index its pool where that has not been done.

    Raises:
        ConfigError: it is none of what can be opened. PoolError: a damaged file, or scores of another pool.
    """
    kind, folder = _kind(wanted.what)
    if kind == "judged pairs":
        return Opened(folder.resolve().name, kind, _notes(wanted, folder), pairs=Pairs(cases_of(folder)))
    opening = _Opening(wanted, folder, progress, say)
    return {"pool": opening.pool, "selection": opening.scores, "scores": opening.scores, "run": opening.run}[
        kind
    ]()


def _kind(what: Sequence[str]) -> tuple[Kind, Path]:
    """What was named. A scores.parquet means its folder."""
    first = Path(what[0]).expanduser()
    folder = first.parent if first.name == SCORES and first.is_file() else first
    if len(what) > 1 or not folder.is_dir():
        return "pool", folder
    if (folder / "experiment.json").is_file() or (folder / "subset").is_dir():
        return "run", folder
    if (folder / SCORES).is_file():
        return ("selection" if "selector" in manifest(folder) else "scores"), folder
    return ("judged pairs" if (folder / "pairs.jsonl").is_file() else "pool"), folder


def _notes(wanted: Wanted, folder: Path | None) -> NoteFile:
    """Where notes are kept: in the folder that is looked at, or for the files of a pool in the cache."""
    if wanted.notes is not None:
        return NoteFile(wanted.notes)
    if folder is not None:
        return NoteFile(folder / NOTES)
    places = "\n".join(str(Path(one).expanduser().resolve()) for one in wanted.what)
    name = f"{Path(wanted.what[0]).stem[:40]}-{hashlib.sha256(places.encode()).hexdigest()[:12]}.jsonl"
    return NoteFile(cache_folder() / "notes" / name)


@dataclass(frozen=True)
class _Opening:
    wanted: Wanted
    folder: Path
    progress: Progress
    say: Callable[[str], None]

    def pool(self) -> Opened:
        try:
            index = self._index(self.wanted.what, self.wanted.reading)
        except PoolError as error:
            if self.folder.is_dir():
                raise ConfigError(
                    f"{self.folder} is nothing to explore: it holds no {SCORES} (of 'select' or 'score'), no "
                    f"run, no judged pairs, and as a pool: {error}"
                ) from error
            raise
        made = _Columns(index, _notes(self.wanted, None))
        state, reason = readable(index)
        made.add("selection", state, reason)
        accounts = {"readable": index.rows - index.rejected, "rejected": index.rejected}
        name = ", ".join(Path(one).name for one in self.wanted.what[:3])
        return self._opened(name, "pool", made, accounts)

    def scores(self) -> Opened:
        about = manifest(self.folder)
        index = self._index(*self._pool_of(about, self.folder))
        file = score_file(self.folder, index)
        made = _Columns(index, _notes(self.wanted, self.folder))
        made.add("score", *file.columns())
        if file.selects:
            state = file.state("state")
            made.add("selection", state, file.reason("reason"))
            accounts = _accounts(file, state, about)
        else:
            made.add("selection", *readable(index))
            accounts = {"scored": index.rows - index.rejected, "rejected": index.rejected}
        kind: Kind = "selection" if file.selects else "scores"
        return self._opened(self.folder.resolve().name, kind, made, accounts)

    def run(self) -> Opened:
        groups = arms_of(self.folder)
        pairs = Pairs(cases_of(self.folder)) if any(self.folder.glob("verdicts/*/verdicts.jsonl")) else None
        notes = _notes(self.wanted, self.folder)
        title = self.folder.resolve().name
        if not groups:
            if pairs is None:
                raise ConfigError(
                    f"{self.folder} is a run that has selected nothing yet: there "
                    f"is no subset/NAME/{SCORES} and "
                    "no verdicts. Let 'handpicked run' get further."
                )
            return Opened(title, "run", notes, pairs=pairs)
        arms, *others = groups
        first = self.folder / "subset" / arms[0]
        index = self._index(*self._pool_of(manifest(first), self.folder, self._run_reading(arms[0])))
        files = {arm: score_file(self.folder / "subset" / arm, index) for arm in arms}
        made = _Columns(index, notes)
        found = arm_columns(files)
        made.add("score", *found.scores)
        made.add("selection", found.state, found.together, *found.states.values(), *found.reasons)
        for arm, file in files.items():
            _accounts(file, found.states[arm], manifest(self.folder / "subset" / arm))
        remarks = [
            f"{', '.join(names)}: selected from another pool, so not on this page. See 'handpicked explore "
            f"{self.folder / 'subset' / names[0]}'."
            for names in others
        ]
        counts = found.state.counts()
        accounts = {"in an arm": counts[0], "in no arm": counts[1], "rejected": counts[2]}
        opened = self._opened(title, "run", made, accounts, self.folder)
        return replace(opened, arms=found.states, pairs=pairs, remarks=(*opened.remarks, *remarks))

    def _opened(
        self, title: str, kind: Kind, made: _Columns, accounts: Mapping[str, int], run: Path | None = None
    ) -> Opened:
        remarks = []
        found: Map | None = None
        folder = embeddings_of(made.index, run)
        if folder is not None:
            try:
                found = map_of(made.index, folder, self.wanted.projection, self.progress)
            except HandpickedError as error:
                if self.wanted.projection != "pca":
                    raise
                remarks.append(f"No map can be shown: {error}")
        elif self.wanted.projection != "pca":
            raise ConfigError(
                "--projection: there are no embeddings of this pool. 'handpicked score POOL --scorer "
                "embedding -o OUT' makes them."
            )
        if found is not None:
            made.add("map", *found.columns)
        if sum(accounts.values()) != made.index.rows:
            raise AssertionError(f"rows are lost: {made.index.rows} in the pool, {dict(accounts)}")
        return Opened(
            title, kind, made.notes, made.index, made.table(), accounts, made.groups, made.shown(),
            map=found, remarks=tuple(remarks),
        )  # fmt: skip

    def _index(self, paths: Sequence[str | Path], reading: Reading) -> Index:
        return index_of(paths, reading, self.progress, self.say)

    def _pool_of(
        self, about: Json, folder: Path, reading: Reading | None = None
    ) -> tuple[Sequence[str | Path], Reading]:
        """The files of the pool that a manifest names, and how they are read: as they were then, unless the
        command line says otherwise. Raises ConfigError where they are gone.
        """
        own = self.wanted.reading
        read_so = own if own != Reading() else reading or replace(own, turns=about.get("turns", own.turns))
        if self.wanted.pool:
            return self.wanted.pool, read_so
        inputs = [one.get("path", "") for one in about.get("pool", {}).get("inputs", [])]
        found = [path if _is_elsewhere(path) else _there(Path(path), folder) for path in inputs]
        lost = next((path for path, there in zip(inputs, found, strict=True) if there is None), None)
        if not inputs or lost is not None:
            what = f"its pool {lost} is missing" if lost else "it does not name its pool"
            raise ConfigError(f"{folder}: {what}, so no row can be shown. Give the pool with --pool.")
        return [path for path in found if path is not None], read_so

    def _run_reading(self, arm: str) -> Reading:
        """How a run read the pool of an arm; rows that were split off keep their format."""
        experiment = read_json(self.folder / "experiment.json")
        pool = experiment.get("pool") or {}
        name = experiment.get("arms", {}).get(arm, {}).get("pool")
        pool = experiment.get("pools", {}).get(name, pool) if name else pool
        known = {
            one: pool[one]
            for one in ("format", "map", "turns", "max_row_mb", "encoding")
            if pool.get(one) is not None
        }
        return Reading(**known)


def _is_elsewhere(path: str) -> bool:
    """Whether a pool's file was fetched, and can be again (that of the hub at its commit)."""
    return is_remote(path) or is_named(path)


def _there(path: Path, folder: Path) -> Path | None:
    """The file, or where a run was moved, the one at the same path in it."""
    moved = folder.joinpath(*path.parts[-3:])
    return path if path.is_file() else moved if moved.is_file() else None


def _accounts(file: ScoreFile, state: Category, about: Json) -> dict[str, int]:
    """How many rows were kept, dropped and rejected. Raises PoolError where the manifest differs."""
    counts = dict(zip(STATES, state.counts(), strict=False))
    said = about.get("counts", {})
    for name in ("kept", "rejected"):
        if name in said and said[name] != counts[name]:
            raise PoolError(
                f"{file.path} has {counts[name]:,} rows {name}, but its manifest says {said[name]:,}: one of "
                "them was changed. Write the folder again."
            )
    return counts


@dataclass
class _Columns:
    """Gathers the columns of a table; those of the pool are there from the beginning."""

    index: Index
    notes: NoteFile
    columns: dict[str, Column] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add("pool", *pool_columns(self.index))
        self.add("notes", Noted("note", self.index, self.notes))

    def add(self, group: str, *columns: Column) -> None:
        """Add columns under unused names."""
        names = unique_names([column.name for column in columns], list(self.columns))
        for name, column in zip(names, columns, strict=True):
            self.columns[name] = column
            self.groups[name] = group
            column.name = name

    def shown(self) -> tuple[str, ...]:
        """Up to three scores, else the length of the response."""
        scores = [name for name, group in self.groups.items() if group == "score"]
        numbers = [name for name in scores if self.columns[name].kind == "number"]
        return tuple(numbers[:3]) or ("response characters",)

    def table(self) -> Table:
        return Table(self.index.rows, self.columns, lambda: ("note", self.notes.version()))
