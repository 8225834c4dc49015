"""``read``: recognises the files of a pool and prepares it for streaming."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from handpicked.data import arrowtypes, objects, spool, stdlib
from handpicked.data import paths as where_from
from handpicked.data.batch import Kind, Place, Reading, kind_of
from handpicked.data.files import columnar, document, text
from handpicked.data.files.container import Container, sniff
from handpicked.data.files.encoding import known_encoding
from handpicked.data.files.no_objects import no_objects
from handpicked.data.files.raw import MAX_ROW, Raw
from handpicked.data.formats.recognise import recognise
from handpicked.data.formats.row_format import RowFormat
from handpicked.data.found import Found
from handpicked.data.pool import File, FilePool
from handpicked.errors import PoolError
from handpicked.records import Pool, Turns
from handpicked.store import writing

SAMPLE = 1000
CELLS = 1_000_000
"""Values of the sample at most, for rows of very many fields."""


def read(
    data: Any,
    *,
    format: str | None = None,
    map: Mapping[str, str] | None = None,
    turns: Turns = "last",
    max_row_mb: int = MAX_ROW >> 20,
    split: str | None = None,
    config: str | None = None,
    encoding: str | None = None,
) -> Pool:
    """Recognise a pool and make it ready to be streamed. Counts its rows; does not hold
    them (unless it is small).

    ``data``: a file (text or Path), several in a list, a glob, a folder, a folder saved by ``datasets``, a
    data set on the hub (``owner/name``, ``hf://datasets/owner/name@revision/path``), ``s3://``, ``gs://`` or
    ``az://`` (through Daft), a named one (``named:alpaca``), or ``python-stdlib``; or an object: a pandas or
    polars DataFrame, a polars LazyFrame, an Arrow table or stream, a ``datasets.Dataset`` or ``DatasetDict``,
    dictionaries in a list or any iterable, or a Selection (its kept rows). An object is written to a
    temporary file, which goes with the pool, and read as that file would be. A pool is given back as it is.

    ``split`` and ``config`` choose in a DatasetDict, a folder or a data set on the hub (train of the default
    one, as its README.md or the names of its files say). ``format`` forces a row format by name and ``map``
    names the fields, such as ``{"prompt": "question", "response": "answer"}``. ``turns`` is the rule by which
    prompt and response are derived. A row of a text file that is larger than ``max_row_mb`` MiB is rejected
    without being loaded. ``encoding`` is that of text files where they are neither UTF-8 nor UTF-16, such as
    ``windows-1252``. Raises PoolError, in one line that says what, where and what to do.
    """
    if turns not in ("last", "all"):
        raise PoolError(f"turns is 'last' or 'all', not {turns!r}")
    if is_pool(data):
        return data
    max_row = max_row_mb << 20
    if not _are_paths(data):
        return _of_object(objects.given(data, split), format, map, turns, max_row)
    sources = [data] if isinstance(data, str | Path) else data
    paths = [stdlib.cached_pool() if one == stdlib.NAME else one for one in sources]
    found, remarks = where_from.files(paths, split, config)
    text_form = None if encoding is None else known_encoding(encoding)
    parts = [_survey(one, format, map, max_row, encoding=text_form) for one in found]
    return _pool(parts, remarks, (map or {}).get("source", "source"), turns)


def is_pool(data: object) -> TypeGuard[Pool]:
    """Whether ``data`` is a pool already."""
    return hasattr(data, "shards") and hasattr(data, "rejected") and hasattr(data, "examples")


def _are_paths(data: object) -> bool:
    if isinstance(data, list | tuple):
        return all(isinstance(one, str | Path) for one in data)
    return isinstance(data, str | Path)


def _of_object(
    given: objects.Given[object],
    format: str | None,
    map: Mapping[str, str] | None,
    turns: Turns,
    max_row: int,
) -> Pool:
    """The pool of an object, whose temporary file is deleted together with the pool."""
    with writing(Path(tempfile.gettempdir())):
        folder = Path(tempfile.mkdtemp(prefix="handpicked-")).resolve()
        try:
            file = given.spool(folder)
            spool.name(file, given.name)
            container = Container("json lines") if file.suffix == ".jsonl" else None
            part = _survey(Found(file, given.name), format, map, max_row, container)
            pool = _pool([part], [], (map or {}).get("source", "source"), turns)
        except BaseException:  # after Ctrl-C too: nothing else removes this folder
            spool.forget(folder)
            raise
    pool.given = given
    weakref.finalize(pool, spool.forget, folder)
    return pool


def read_back(pool: Pool, file: Path) -> Pool | None:
    """The original rows of ``pool`` that its ``write`` left in ``file``, understood as they are in the pool.

    None where the pool's files are of several row formats, which one file cannot hold.
    """
    if not isinstance(pool, FilePool) or len({one.reading.format for one in pool.files}) != 1:
        return None
    reading = pool.files[0].reading
    part = _survey(Found.here(file), reading.format, None, pool.files[0].container.max_row)
    return _pool([part], [], reading.source_field or "source", reading.turns)


def _pool(parts: list[_Part], remarks: list[str], source: str, turns: Turns) -> FilePool:
    """The pool of these files; ``source`` is the field that names a row's source, where there is one."""
    kinds = _merged([part.kinds for part in parts])
    files: list[File] = []
    first = 0
    for part in parts:
        reading = Reading(
            file=part.found.name, source=Path(part.found.name).name, format=part.format, turns=turns, kinds=kinds,
            source_field=source if source in part.kinds else None,
            place=_place(part),
        )  # fmt: skip
        shards = _shards(part, reading, first)
        rows = sum(shard.rows for shard in shards)
        files.append(File(part.found, part.container, reading, tuple(shards), first, rows))
        first += rows
    return FilePool(files, _whys(parts, remarks))


@dataclass
class _Part:
    """One file, looked into."""

    found: Found
    container: Container
    spans: list[text.Span] | None
    groups: list[columnar.Group]
    format: RowFormat
    why: str
    kinds: dict[str, Kind]

    @property
    def path(self) -> Path:
        return self.found.path


def _place(part: _Part) -> Place:
    """The place of a row: its line, or its number where lines do not distinguish rows."""
    if part.spans is None or part.container.kind == "json document" or spool.is_copy(part.path):
        return "row"
    rows, last = sum(span.rows for span in part.spans), max((span.last for span in part.spans), default=0)
    return "row of the array" if part.container.kind == "json array" and rows > last else "line"


def _survey(
    found: Found,
    format: str | RowFormat | None,
    map: Mapping[str, str] | None,
    max_row: int,
    container: Container | None = None,
    encoding: str | None = None,
) -> _Part:
    """Look into one file: container (where it is not known), parts, first rows, row format."""
    # Not resolved: in the hub's cache a link has the name, and its target has none.
    path = found.path.absolute()
    found = replace(found, path=path)
    container = replace(container or sniff(path, tuple((map or {}).values()), encoding), max_row=max_row)
    if container.kind not in ("parquet", "arrow file", "arrow stream"):
        return _survey_text(found, container, format, map)
    schema, groups = columnar.groups(path, container)
    sample = _columnar_sample(path, container, groups) or [dict.fromkeys(schema.names)]
    rows_format, why = _recognised(sample, path, format, map)
    return _Part(
        found, container, None, groups, rows_format, why, _with_derived(columnar.kinds(schema), rows_format)
    )


def _survey_text(
    found: Found, container: Container, format: str | RowFormat | None, map: Mapping[str, str] | None
) -> _Part:
    path = found.path
    try:
        spans = text.spans(path, container)
    except PoolError:
        if container.form.delimiter != "\t" or not container.form.quoted:
            raise
        container = replace(
            container, form=replace(container.form, quoted=False)
        )  # a quote that never closes is a letter
        spans = text.spans(path, container)
    sample = _text_sample(path, container, spans)
    where = ""
    if sum(span.rows for span in spans) == 1 and container.kind in ("json lines", "json objects"):
        shape = _document_shape(sample[0], path, format, map)
        if shape is not None:
            container = replace(container, kind="json document", shape=shape)
            spans, where = text.spans(path, container), f", in {shape}"
            sample = _text_sample(path, container, spans)
    fields = dict.fromkeys(str(key) for row in sample for key in row)
    cells = container.kind == "csv"
    kinds = {field: kind_of([row.get(field) for row in sample], cells) for field in fields}
    rows_format, why = _recognised(sample, path, format, map)
    return _Part(found, container, spans, [], rows_format, f"{why}{where}", _with_derived(kinds, rows_format))


def _with_derived(kinds: dict[str, Kind], shape: RowFormat) -> dict[str, Kind]:
    """The columns of a file with those that its format makes of them, which are numbers."""
    made: dict[str, Kind] = dict.fromkeys(shape.derived, "number")
    return made | kinds


def _recognised(
    sample: Sequence[Mapping[str, object]],
    path: Path,
    format: str | RowFormat | None,
    map: Mapping[str, str] | None,
    within: bool = True,
) -> tuple[RowFormat, str]:
    if isinstance(format, RowFormat):
        return format, "as the pool that it came from"
    return recognise(sample, spool.given_name(path), format, map, within)


def _document_shape(
    row: Mapping[str, object], path: Path, format: str | RowFormat | None, map: Mapping[str, str] | None
) -> str | None:
    """Where the only object of a file holds its rows, or ``None`` where it is a row itself.

    Raises PoolError where it is neither: about the row of a file of JSON lines, else about the likeliest place.
    """
    found = document.shapes(row)
    mistakes: list[PoolError] = []
    likely = {**found, "": [row]} if document.COLUMNS in found else {"": [row], **found}
    for shape, rows in [*likely.items(), ("", [row])]:
        sample = [one for one in rows[:SAMPLE] if isinstance(one, dict)]
        try:
            _recognised(sample, path, format, map, within=len(mistakes) == len(likely))
        except PoolError as error:
            mistakes.append(PoolError(f"{error} (Looked for in {shape}.)") if shape else error)
        else:
            return shape or None
    raise mistakes[-1] if path.suffix in (".jsonl", ".ndjson") else mistakes[min(1, len(likely) - 1)]


def _text_sample(path: Path, container: Container, spans: list[text.Span]) -> Sequence[Mapping[str, object]]:
    runs: Iterable[Raw] = (
        spans[0].held if spans[0].held is not None else text.stream_rows(path, container, spans[0])
    )
    run: Raw = next(iter(runs), Raw([], []))
    head = run.rows[:SAMPLE]
    rows = [row for row in head if isinstance(row, dict)]
    rows = rows[: max(1, CELLS // max(map(len, rows), default=1))]
    if not rows:
        raise PoolError(no_objects(path, head))
    return rows


def _columnar_sample(
    path: Path, container: Container, groups: list[columnar.Group]
) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = []
    first = next((group for group in groups if group.rows), None)
    if first is not None:
        for batch in columnar.head(path, container, first, SAMPLE):
            rows += arrowtypes.objects(batch.slice(0, SAMPLE))
            if len(rows) >= SAMPLE:
                break
    return [row for row in rows[:SAMPLE] if isinstance(row, dict)]


def _shards(part: _Part, reading: Reading, first: int) -> list[text.TextShard | columnar.ColumnarShard]:
    shards: list[text.TextShard | columnar.ColumnarShard] = []
    in_file = 0
    for span in part.spans or []:
        shards.append(text.TextShard(part.found, part.container, span, reading, first + in_file, in_file))
        in_file += span.rows
    for group in part.groups:
        shards.append(
            columnar.ColumnarShard(
                part.found,
                part.container,
                group.first,
                group.last,
                reading,
                first + in_file,
                group.rows,
                in_file,
            )
        )
        in_file += group.rows
    return shards


def _merged(all_kinds: list[dict[str, Kind]]) -> dict[str, Kind]:
    """One column type for each field over all files: where they differ, text."""
    merged: dict[str, Kind] = {}
    for kinds in all_kinds:
        for name, kind in kinds.items():
            merged[name] = kind if merged.get(name, kind) == kind else "text"
    return merged


def _whys(parts: list[_Part], remarks: list[str]) -> str:
    """One sentence on how the files were recognised."""
    reasons = dict.fromkeys(f"{part.container}: {part.why}" for part in parts)
    return "; ".join([*reasons, *remarks])
