"""Converts Arrow and Parquet values to what JSON can hold.

``workable`` replaces the types that Arrow's own kernels do not take (views, dictionaries, run-end encoding,
extensions) by the plain type of the same values. ``objects`` makes rows of them: times, dates and decimals
are text, durations ISO 8601 text, maps objects, bytes that are UTF-8 text, NaN null. A null inside a struct
is left out, since Arrow fills in the keys of other rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from handpicked.data.files.raw import Damage, excerpt
from handpicked.errors import PoolError

PER_SECOND = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Decimal places of a duration's unit."""


def workable(schema: pa.Schema, where: str) -> pa.Schema:
    """The schema with every type that kernels lack replaced. Raises PoolError where a name occurs twice."""
    _check_names(list(schema), where)
    fields = [field.with_type(_workable(field.type)) for field in schema]
    return pa.schema(fields, schema.metadata)


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the types of ``schema`` for its columns, which are the same values."""
    if batch.schema.types == [schema.field(name).type for name in batch.schema.names]:
        return batch
    fields = [schema.field(name) for name in batch.schema.names]
    arrays = [_plain(column, field.type) for column, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, schema.metadata))


def size_of(batch: pa.RecordBatch) -> int:
    """Bytes of a batch's values; where Arrow cannot measure views (before 22), of all that they lie in."""
    try:
        return int(batch.nbytes)
    except pa.ArrowTypeError:
        return int(batch.get_total_buffer_size())


def objects(batch: pa.RecordBatch, needed: Collection[str] | None = None) -> list[Any]:
    """The rows as objects. One with bytes that are not UTF-8 in a ``needed`` column (``None``: in any) is
    damaged; in another column they become U+FFFD.
    """
    damaged: dict[int, Damage] = {}
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        broken: dict[int, Damage] = {}
        columns.append(_values(column, broken))
        if needed is None or name in needed:
            damaged.update(broken)
    names = batch.schema.names
    found: list[object] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for index, damage in damaged.items():
        found[index] = damage
    return found


def _values(column: pa.Array, broken: dict[int, Damage]) -> list[object]:
    """The values of a column as JSON has them; ``broken`` collects the places of those that are not UTF-8."""
    spelled = _spelled(column)
    try:
        values = spelled.to_pylist(maps_as_pydicts="lossy")
    except UnicodeDecodeError:
        return _decoded(spelled, broken)
    mend = _mender(spelled)
    return values if mend is None else [mend(value) for value in values]


def _decoded(column: pa.Array, broken: dict[int, Damage]) -> list[object]:
    """The values of a column of which some are not UTF-8."""

    def text(value: object, place: int) -> Any:
        if isinstance(value, dict):
            return {text(key, place): text(part, place) for key, part in value.items() if part is not None}
        if isinstance(value, list):
            return [text(part, place) for part in value]
        if not isinstance(value, bytes):
            return _mended(value)
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            shown = value.decode("utf-8", "replace")
            broken[place] = Damage(f"it holds bytes that are not UTF-8 ({error.reason})", excerpt(shown))
            return shown

    values = column.cast(_swapped(column.type, _bytes_of)).to_pylist(maps_as_pydicts="lossy")
    return [text(value, place) for place, value in enumerate(values)]


def _check_names(fields: Sequence[pa.Field], where: str) -> None:
    """Raise PoolError where columns, or fields of one struct, share a name, and UnicodeDecodeError
    for one that is not UTF-8.
    """
    names = Counter(field.name for field in fields)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise PoolError(f"{where} has the column '{twice}' twice; give each its own name")
    for field in fields:
        if pa.types.is_nested(field.type):
            _check_names([field.type.field(index) for index in range(field.type.num_fields)], where)


def _workable(type_: pa.DataType) -> pa.DataType:
    """``type_`` with plain types for those inside it that kernels lack."""
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        return _workable(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return _workable(type_.storage_type)
    if pa.types.is_string_view(type_):
        return pa.large_string()
    if pa.types.is_binary_view(type_):
        return pa.large_binary()
    if pa.types.is_nested(type_):
        return _swapped(type_, lambda leaf: leaf if pa.types.is_nested(leaf) else _workable(leaf))
    return type_


def _plain(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    if pa.types.is_dictionary(column.type):  # its values first: Arrow cannot take from views
        values = column.dictionary.cast(_workable(column.type.value_type))
        column = pa.DictionaryArray.from_arrays(column.indices, values)
    return column if column.type == type_ else column.cast(type_)


def _spelled(column: pa.Array) -> pa.Array:
    """A column with times, dates, decimals and durations as text, and without NaN, wherever
    Arrow can do that itself.
    """
    type_ = column.type
    if pa.types.is_duration(type_):
        return pa.array(
            [_iso(value, type_.unit) for value in column.cast(pa.int64()).to_pylist()], pa.string()
        )
    if pa.types.is_floating(type_):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, type_), column)
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        try:
            return column.cast(pa.large_string())
        except pa.ArrowInvalid:  # some are not UTF-8: one by one
            return column
    wanted = _swapped(type_, _text_of)
    if wanted == type_:
        return column
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:  # an unknown time zone
        return column.cast(_swapped(type_, _utc_of)).cast(wanted, safe=False)


def _swapped(type_: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """The type with every type inside it that holds no other replaced by ``leaf`` of it."""
    is_ = pa.types
    if is_.is_struct(type_):
        return pa.struct([field.with_type(_swapped(field.type, leaf)) for field in type_])
    if is_.is_map(type_):
        return pa.map_(_swapped(type_.key_type, leaf), _swapped(type_.item_type, leaf))
    if is_.is_fixed_size_list(type_):
        return pa.list_(type_.value_field.with_type(_swapped(type_.value_type, leaf)), type_.list_size)
    if is_.is_large_list(type_) or is_.is_large_list_view(type_):
        return pa.large_list(type_.value_field.with_type(_swapped(type_.value_type, leaf)))
    if is_.is_list(type_) or is_.is_list_view(type_):
        return pa.list_(type_.value_field.with_type(_swapped(type_.value_type, leaf)))
    return leaf(type_)


def _text_of(type_: pa.DataType) -> pa.DataType:
    """Text for times, dates and decimals; nanoseconds that Python lacks become
    microseconds in nested durations.
    """
    if pa.types.is_duration(type_):
        return pa.duration("us") if type_.unit == "ns" else type_
    if pa.types.is_decimal(type_) or (pa.types.is_temporal(type_) and not pa.types.is_interval(type_)):
        return pa.string()
    return type_


def _utc_of(type_: pa.DataType) -> pa.DataType:
    return pa.timestamp(type_.unit, "UTC") if pa.types.is_timestamp(type_) and type_.tz else type_


def _bytes_of(type_: pa.DataType) -> pa.DataType:
    return {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(type_, type_)


def _iso(value: int | None, unit: str) -> str | None:
    """A duration as ISO 8601 text in seconds, such as ``PT1.5S``."""
    if value is None:
        return None
    places = PER_SECOND[unit]
    whole, rest = divmod(abs(value), 10**places)
    part = f".{rest:0{places}d}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}PT{whole}{part}S"


def _mender(column: pa.Array) -> Callable[[object], object] | None:
    """What makes the Python values of this column ones that JSON has; ``None`` where they are so already."""
    if not pa.types.is_nested(column.type):
        return _as_text if _is_binary(column.type) else None
    return _mended if _odd_inside(column.type) or _nulls_inside(column) else None


def _is_binary(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_)
    )


def _odd_inside(type_: pa.DataType) -> bool:
    """Whether a nested type may hold NaN, bytes, or keys that are not text."""
    if pa.types.is_nested(type_):
        if pa.types.is_map(type_):
            return True
        return any(_odd_inside(type_.field(index).type) for index in range(type_.num_fields))
    return _is_binary(type_) or bool(pa.types.is_floating(type_))


def _nulls_inside(column: pa.Array) -> bool:
    """Whether a struct somewhere in the column has a null field."""
    if pa.types.is_struct(column.type):
        parts = [column.field(index) for index in range(column.type.num_fields)]
        return any(part.null_count or _nulls_inside(part) for part in parts)
    if pa.types.is_nested(column.type) and hasattr(column, "values"):
        return _nulls_inside(column.values)
    return False


def _mended(value: object) -> object:
    if isinstance(value, dict):
        return {_key(key): _mended(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_mended(part) for part in value]
    if isinstance(value, bytes):
        return _as_text(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _key(key: object) -> str:
    text = _as_text(key)
    return text if isinstance(text, str) else str(text)


def _as_text(value: object) -> object:
    """Bytes as the text that they are in UTF-8; other values, and other bytes, as they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value
