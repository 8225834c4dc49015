"""Writes a subset: the original rows, or the shape that a trainer needs.

Rows are written in pool order to a file aside, which takes its name only when it is whole.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from handpicked.data import large
from handpicked.data.columnar import ColumnarShard
from handpicked.data.raw import between
from handpicked.errors import MissingPart, PoolError, did_you_mean
from handpicked.records import AtHand, Example, Json, Message, Pool, ToolCall
from handpicked.store import writing

if TYPE_CHECKING:
    from handpicked.data.pool import FilePool

FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
CONTAINERS = ("jsonl", "parquet", "datasets")
ROW_GROUP = 1024
RELEASE = 4
"""Rounds of shards after which freed memory goes back to the system; sooner costs time."""


def write(
    pool: FilePool,
    rows: Sequence[int],
    out: Path,
    format: str = "original",
    container: str | None = None,
    at_hand: AtHand | None = None,
) -> Path:
    """Write these rows (ascending) of a pool below ``out`` and return the file (or, for
    ``datasets``, the folder).

    ``format``: ``original`` (the rows and fields as they came), ``alpaca``, ``sharegpt``, ``messages`` or
    ``trl`` (conversational prompt and completion). ``container``: ``jsonl``, ``parquet`` or ``datasets``; by
    default Parquet for original rows of a pool whose files are all Parquet or Arrow, else JSON lines. Raises
    StoreError when ``out`` cannot be written; nothing half-written stays there.
    """
    if format != "original" and format not in SHAPES:
        raise PoolError(f"format '{format}' cannot be written.{did_you_mean(format, ('original', *SHAPES))}")
    columnar = pool.columnar
    if container is None:
        container = "parquet" if columnar and format == "original" and _one_schema(pool) else "jsonl"
    if container not in CONTAINERS:
        raise PoolError(f"container '{container}' cannot be written.{did_you_mean(container, CONTAINERS)}")
    if container == "jsonl":
        with aside(out, "selected.jsonl") as path:
            _json_lines(path, _shaped(pool, rows, format))
        return out / "selected.jsonl"
    tables = (
        _original_tables(pool, rows, at_hand)
        if columnar and format == "original"
        else _tables(_shaped(pool, rows, format))
    )
    if container == "parquet":
        with aside(out, "selected.parquet") as path:
            _parquet(path, tables, pool, columnar and format == "original")
        return out / "selected.parquet"
    with aside(out, "selected") as path:
        _datasets(path, tables, pool, columnar and format == "original")
    return out / "selected"


def original_table(pool: Pool, rows: Sequence[int]) -> pa.Table:
    """These rows (ascending) as they came, as one Arrow table: with its own types where the pool is of
    Parquet or Arrow files, else with those that fit all rows.

    Raises PoolError where no one schema fits.
    """
    from handpicked.data.pool import FilePool

    if not (isinstance(pool, FilePool) and pool.columnar and _one_schema(pool)):
        return next(_tables(example.original for example in pool.examples(rows)))
    schema = _schema(pool)
    found = [_cast(table, schema) for table in _original_tables(pool, rows, None)]
    return pa.concat_tables(found) if found else schema.empty_table()


@contextmanager
def aside(folder: Path, name: str) -> Iterator[Path]:
    """A path beside ``folder/name`` that takes its place when the block ends well, and is
    removed when it does not.

    Raises StoreError where the disk refuses.
    """
    temporary = folder / f".{name}.{os.getpid()}.part"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            temporary.replace(folder / name)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)


def _shaped(pool: FilePool, rows: Sequence[int], format: str) -> Iterator[Mapping[str, object]]:
    """The rows as JSON objects: the originals, or converted."""
    count = 0
    understood = frozenset(field for file in pool.files for field in file.reading.format.fields)
    for example in pool.examples(rows):
        count += 1
        if format == "original":
            yield example.original
        else:
            yield {**SHAPES[format](example), **carried(example, understood)}
        del example
    if count != len(rows):
        raise PoolError(
            f"{len(rows) - count} of the {len(rows)} rows to write cannot be read; write only readable rows"
        )


def _json_lines(path: Path, rows: Iterator[Mapping[str, object]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            if large.is_long(row):
                file.writelines(large.pieces(row, json_line))
            else:
                file.write(json_line(row))
            file.write(b"\n")
            del row  # a large row is not kept while the next one is read
        file.flush()
        os.fsync(file.fileno())


def _plain(value: object) -> Any:
    """What JSON has no form for, as text: dates and decimals by their usual spelling, bytes in hexadecimal."""
    return value.hex() if isinstance(value, bytes) else str(value)


def json_line(row: object, plain: Callable[[object], object] = _plain) -> bytes:
    """A row as JSON that every reader takes: NaN and infinity, which JSON has not, are null. ``plain`` makes
    values that JSON has no form for ones that it has.
    """
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=plain)
    except ValueError:
        text = json.dumps(finite(row), ensure_ascii=False, default=plain)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only its escape can be written
        return json.dumps(finite(row), default=plain).encode()


def finite(value: object) -> object:
    """The value with null for every number that is none."""
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _original_tables(pool: FilePool, rows: Sequence[int], at_hand: AtHand | None) -> Iterator[pa.Table]:
    """The untouched Arrow rows of Parquet and Arrow files: those at hand, or read, as many shards
    at once as there are cores.
    """
    from concurrent.futures import ThreadPoolExecutor

    if at_hand is not None and (held := at_hand(rows)) is not None:
        yield from held
        return
    parts = [
        (shard, own)
        for shard in pool.shards
        if isinstance(shard, ColumnarShard)
        and len(own := between(rows, shard.first_row, shard.first_row + shard.rows))
    ]
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as threads:
        for begin in range(0, len(parts), cores):  # no further ahead: a subset may be as large as the pool
            for tables in threads.map(_taken, parts[begin : begin + cores]):
                yield from tables
            if begin // cores % RELEASE == RELEASE - 1:  # else what was read adds up, freed as it is
                pa.default_memory_pool().release_unused()


def _taken(part: tuple[ColumnarShard, Sequence[int]]) -> list[pa.Table]:
    shard, rows = part
    return [pa.Table.from_batches([batch]) for _, batch in shard.taken(rows)]


def _tables(rows: Iterator[Mapping[str, object]]) -> Iterator[pa.Table]:
    """JSON rows as Arrow tables of one schema, inferred over all of them."""
    try:
        listed = list(rows)
        names = dict.fromkeys(
            name for row in listed for name in row
        )  # pyarrow looks at the first row's alone
        yield pa.Table.from_pylist([{name: row.get(name) for name in names} for row in listed])
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise PoolError(
            f"the rows do not fit one Parquet schema ({str(error).splitlines()[0]}); write them as jsonl (in "
            "Python, to_list() has them)"
        ) from error


def _parquet(path: Path, tables: Iterator[pa.Table], pool: FilePool, original: bool) -> None:
    schema = _schema(pool) if original else None
    first = next(tables, None)
    if first is None:
        first = (schema or _empty()).empty_table()
    schema = schema or first.schema
    groups = _row_groups(_storable(_cast(table, schema)) for table in itertools.chain([first], tables))
    try:
        with pq.ParquetWriter(
            str(path), _storable(schema.empty_table()).schema, compression="zstd"
        ) as writer:
            for group in groups:
                writer.write_table(group)
    except pa.ArrowNotImplementedError as error:
        raise PoolError(
            f"Parquet cannot hold these rows ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def _storable(table: pa.Table) -> pa.Table:
    """A column of nothing but empty objects, such as ``"metadata": {}``, as nulls: Parquet has no type for it."""
    for place, field in enumerate(table.schema):
        if pa.types.is_struct(field.type) and field.type.num_fields == 0:
            table = table.set_column(place, field.name, pa.nulls(table.num_rows))
    return table


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ``ROW_GROUP`` rows, so that the file does not
    depend on how the pool was cut.
    """
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        while count >= ROW_GROUP:
            whole = pa.concat_tables(held)
            yield whole.slice(0, ROW_GROUP).combine_chunks()
            held, count = [whole.slice(ROW_GROUP)], count - ROW_GROUP
    if count:
        yield pa.concat_tables(held).combine_chunks()


def _datasets(path: Path, tables: Iterator[pa.Table], pool: FilePool, original: bool) -> None:
    try:
        import datasets
    except ImportError as error:
        raise MissingPart(
            "container 'datasets' needs the datasets library: pip install 'handpicked[train]'"
        ) from error
    found = list(tables)
    schema = _schema(pool) if original else found[0].schema if found else _empty()
    schema = schema.remove_metadata()
    whole = pa.concat_tables([_cast(table, schema) for table in found]) if found else schema.empty_table()
    datasets.Dataset(_storable(whole)).save_to_disk(str(path))


def _schema(pool: FilePool) -> pa.Schema:
    """The one schema of all files of a Parquet or Arrow pool, with the wider type where they differ."""
    from handpicked.data import columnar

    schemas = [columnar.groups(file.path, file.container)[0] for file in pool.files]
    if len(schemas) == 1:
        return schemas[0]
    try:
        return pa.unify_schemas(
            [schema.remove_metadata() for schema in schemas], promote_options="permissive"
        )
    except pa.ArrowException as error:
        raise PoolError(
            f"the files of the pool differ in their columns ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def _one_schema(pool: FilePool) -> bool:
    """Whether the files of a pool fit one Parquet schema."""
    try:
        _schema(pool)
    except PoolError:
        return False
    return True


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for name in schema.names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
    try:
        return table.select(schema.names).cast(schema)
    except pa.ArrowException as error:
        raise PoolError(
            f"a row does not fit the columns of the other files ({str(error).splitlines()[0]}); write jsonl"
        ) from error


def _empty() -> pa.Schema:
    return pa.schema([])


def _alpaca(example: Example) -> dict[str, object]:
    """Alpaca with LLaMA-Factory's history: the last question and answer, and what came before them. A thought
    is text before its answer, and a tool call text after it.
    """
    system = "\n\n".join(turn.content for turn in example.messages if turn.role == "system")
    prompts: list[str] = []
    pairs: list[list[str]] = []
    last = max(index for index, turn in enumerate(example.messages) if turn.learned)
    for turn in example.messages[: last + 1]:
        if turn.role == "assistant":
            pairs.append(["\n\n".join(prompts), turn.text])
            prompts = []
        elif turn.role != "system":
            prompts.append(turn.content)
    *history, (instruction, output) = pairs
    tools = {"tools": tools_of(example.messages)} if tools_of(example.messages) else {}
    return {
        "instruction": instruction, "input": "", "output": output, "system": system, "history": history, **tools
    }  # fmt: skip


def _sharegpt(example: Example) -> dict[str, object]:
    """ShareGPT as LLaMA-Factory reads it: thoughts as text, a turn that only calls tools as
    ``function_call``, tools as JSON text.
    """
    tools = {"tools": tools_of(example.messages)} if tools_of(example.messages) else {}
    return {"conversations": [_from_and_value(turn) for turn in example.messages], **tools}


def _from_and_value(turn: Message) -> dict[str, object]:
    only_calls = turn.calls and not turn.content and not turn.reasoning
    calls = [
        {"name": call.name, "arguments": _arguments(call), **({"id": call.id} if call.id else {})}
        for call in turn.calls
    ]
    said = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False) if only_calls else turn.text
    more = {"name": turn.name, "tool_call_id": turn.call_id, "weight": turn.weight}
    more = {name: value for name, value in more.items() if value not in ("", None)}
    return {"from": "function_call" if only_calls else FROM[turn.role], "value": said, **more}


def _arguments(call: ToolCall) -> object:
    """The arguments as JSON where they are an object, else as the text that they are."""
    try:
        found = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments
    return found if isinstance(found, dict) else call.arguments


def _messages(example: Example) -> dict[str, object]:
    return {"messages": [openai_turn(turn) for turn in example.messages], **_declared(example.messages)}


def openai_turn(turn: Message) -> Json:
    """A turn as OpenAI, TRL and chat templates have it, with all that it says. The arguments of a
    call are as the row has them.
    """
    said: Json = {"role": turn.role, "content": turn.content}
    if turn.reasoning:
        said["reasoning_content"] = turn.reasoning
    if turn.calls:
        said["tool_calls"] = [
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments if call.quoted else json.loads(call.arguments),
                },
            }
            for call in turn.calls
        ]
    named = {"tool_call_id": turn.call_id, "name": turn.name}
    said |= {field: value for field, value in named.items() if value}
    return said if turn.weight is None else {**said, "weight": turn.weight}


def _declared(messages: Sequence[Message]) -> dict[str, object]:
    """The tools that a row declares, as a list where they are one."""
    text = tools_of(messages)
    if not text:
        return {}
    try:
        return {"tools": json.loads(text)}
    except ValueError:
        return {"tools": text}


def tools_of(messages: Sequence[Message]) -> str:
    """The JSON text of the tools that a conversation declares."""
    return next((turn.tools for turn in messages if turn.tools), "")


def _trl(example: Example) -> dict[str, object]:
    """TRL's conversational prompt-completion: loss on the final assistant turn that is learned alone."""
    last = max(index for index, turn in enumerate(example.messages) if turn.learned)
    turns = [openai_turn(turn) for turn in example.messages[: last + 1]]
    return {"prompt": turns[:last], "completion": turns[last:], **_declared(example.messages)}


SHAPES: Mapping[str, Callable[[Example], dict[str, object]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "trl": _trl,
}
TRAINERS = frozenset(
    {"prompt", "completion", "text", "messages", "conversations", "conversation", "response", "instruction", "input", "output",
     "system", "history", "tools", "functions", "label", "kto_tag", "chosen", "input_ids", "labels", "images"}
)  # fmt: skip
"""Fields that trainers read by their names: one of the pool is not carried into a row of
another shape under such a name.
"""


def is_carried(field: str) -> bool:
    """Whether a field beside the conversation goes with a row into another shape."""
    return field not in TRAINERS and "[]." not in field


def carried(example: Example, understood: Collection[str]) -> dict[str, object]:
    """The fields of a row beside its conversation, which go with it into another shape: sources, ids,
    ratings, the rejected side.
    """
    return {
        field: value
        for field, value in example.original.items()
        if field not in understood and is_carried(field)
    }
