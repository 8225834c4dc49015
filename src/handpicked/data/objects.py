"""Data sets that are Python objects: data frames, Arrow tables, ``datasets``, lists and generators of rows.

Each is written once to a temporary file (Arrow where it has columns, else JSON lines) and then read exactly
as that file would be. So memory is bounded for any object, and rows, ids and rejected rows are those of a
file. No library is imported to recognise its objects: whoever has such an object has imported its library.
"""

from __future__ import annotations

import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa

from handpicked.data import spool
from handpicked.data.arrow import int64_array
from handpicked.data.spooled_rows import write_json_rows, write_tables
from handpicked.errors import PoolError, first_line
from handpicked.store import writing

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl


Data = TypeVar("Data")


class Given(ABC, Generic[Data]):
    """A data set that the user gave as an object. ``name`` is what messages and manifests call it, and
    ``library`` whose kind of object ``take`` gives back ("" where there is none).
    """

    name: ClassVar[str]
    library: ClassVar[str] = ""

    def __init__(self, data: Data) -> None:
        self.data = data

    @classmethod
    @abstractmethod
    def knows(cls, data: object) -> bool:
        """Whether ``data`` is of this kind."""

    @abstractmethod
    def spool(self, folder: Path) -> Path:
        """Write all rows to a file in ``folder``. Raises PoolError for rows that cannot be had or written."""

    def take(self, rows: np.ndarray) -> object:
        """These rows (ascending) as an object of ``library``, with the columns and types that they had."""
        raise NotImplementedError


class PandasFrame(Given["pd.DataFrame"]):
    """A pandas DataFrame. A level of its index is a column of the rows where it has a name; ``take`` keeps
    the index as it is.
    """

    name = "the pandas DataFrame"
    library = "pandas"

    def __init__(self, data: pd.DataFrame) -> None:
        super().__init__(data.copy(deep=False))  # so that later changes of its columns are not ours

    @classmethod
    def knows(cls, data: object) -> bool:
        return _is(data, "pandas", "DataFrame")

    def spool(self, folder: Path) -> Path:
        levels = [name for name in self.data.index.names if name is not None and name not in self.data]
        frame = self.data.reset_index(level=levels) if levels else self.data
        try:
            table = pa.Table.from_pandas(frame, preserve_index=False)
        except ValueError as error:
            if isinstance(error, pa.ArrowException):
                return self._mixed(frame, folder)
            raise PoolError(f"{self.name} cannot be read: {first_line(error)}") from error
        except pa.ArrowTypeError:
            return self._mixed(frame, folder)
        return write_tables(folder / "rows.arrow", table.schema, table.to_batches(), self.name)

    def _mixed(self, frame: pd.DataFrame, folder: Path) -> Path:
        """Columns of several types in one: row by row, as in a JSON file."""
        plain = frame.astype(object)
        records = plain.where(plain.notna(), None).to_dict("records")
        return write_json_rows(folder / "rows.jsonl", records, self.name)

    def take(self, rows: np.ndarray) -> pd.DataFrame:
        return self.data.iloc[rows]


class PolarsFrame(Given["pl.DataFrame"]):
    """A polars DataFrame."""

    name = "the polars DataFrame"
    library = "polars"

    @classmethod
    def knows(cls, data: object) -> bool:
        return _is(data, "polars", "DataFrame")

    def spool(self, folder: Path) -> Path:
        return _spool_stream(self.data, folder, self.name)

    def take(self, rows: np.ndarray) -> pl.DataFrame:
        return self.data[rows.tolist()]


class PolarsQuery(Given["pl.LazyFrame"]):
    """A polars LazyFrame: it is computed once, into the file."""

    name = "the polars LazyFrame"
    library = "polars"

    @classmethod
    def knows(cls, data: object) -> bool:
        return _is(data, "polars", "LazyFrame")

    def spool(self, folder: Path) -> Path:
        self.file = folder / "rows.arrow"
        try:
            self.data.sink_ipc(self.file, compression="uncompressed")
        except sys.modules["polars"].exceptions.PolarsError as error:
            raise PoolError(f"{self.name} cannot be computed: {first_line(error)}") from error
        return self.file

    def take(self, rows: np.ndarray) -> pl.DataFrame:
        return sys.modules["polars"].read_ipc(self.file)[rows.tolist()]


class HubDataset(Given["datasets.Dataset"]):
    """A Dataset of the library ``datasets``, with all rows selected, shuffled or mapped before."""

    name = "the Dataset"
    library = "datasets"

    @classmethod
    def knows(cls, data: object) -> bool:
        return _is(data, "datasets", "Dataset")

    def spool(self, folder: Path) -> Path:
        tables = self.data.with_format("arrow").iter(batch_size=10_000)
        batches = (batch for table in tables for batch in table.to_batches())
        return write_tables(folder / "rows.arrow", self.data.features.arrow_schema, batches, self.name)

    def take(self, rows: np.ndarray) -> datasets.Dataset:
        return self.data.select(rows)


class ArrowTable(Given[pa.Table]):
    """A pyarrow Table."""

    name = "the Arrow table"
    library = "pyarrow"

    @classmethod
    def knows(cls, data: object) -> bool:
        return isinstance(data, pa.Table)

    def spool(self, folder: Path) -> Path:
        return write_tables(folder / "rows.arrow", self.data.schema, self.data.to_batches(), self.name)

    def take(self, rows: np.ndarray) -> pa.Table:
        return self.data.take(int64_array(rows))


class ArrowStream(Given[object]):
    """Any object with an Arrow stream: a RecordBatchReader, a relation of DuckDB. Read once."""

    name = "the Arrow stream"
    library = "pyarrow"

    @classmethod
    def knows(cls, data: object) -> bool:
        return hasattr(data, "__arrow_c_stream__")

    def spool(self, folder: Path) -> Path:
        self.file = _spool_stream(self.data, folder, self.name)
        return self.file

    def take(self, rows: np.ndarray) -> pa.Table:
        with pa.memory_map(str(self.file)) as source:
            return pa.ipc.open_file(source).read_all().take(int64_array(rows))


class Columns(Given[Mapping[str, object]]):
    """One dictionary: lists of one length are columns; anything else is what a JSON file may hold it as."""

    name = "the dictionary"

    @classmethod
    def knows(cls, data: object) -> bool:
        return isinstance(data, Mapping)

    def spool(self, folder: Path) -> Path:
        rows: Iterable[object] = [self.data]
        if _are_columns(list(self.data.values())):
            rows = (dict(zip(self.data, row, strict=True)) for row in zip(*self.data.values(), strict=True))
        return write_json_rows(folder / "rows.jsonl", rows, self.name)


class ListedRows(Given[list[object]]):
    """A list of dictionaries. ``take`` gives the same dictionaries back."""

    name = "the list"
    library = "list"

    def __init__(self, data: Iterable[object]) -> None:
        super().__init__(list(data))

    @classmethod
    def knows(cls, data: object) -> bool:
        return isinstance(data, list | tuple)

    def spool(self, folder: Path) -> Path:
        return write_json_rows(folder / "rows.jsonl", self.data, self.name)

    def take(self, rows: np.ndarray) -> list[object]:
        return [self.data[row] for row in rows.tolist()]


class StreamedRows(Given[Iterable[object]]):
    """Anything else that yields dictionaries: a generator, an IterableDataset. Read once, never kept in
    memory.
    """

    name = "the iterable"

    @classmethod
    def knows(cls, data: object) -> bool:
        return isinstance(data, Iterable) and not isinstance(data, str | bytes | bytearray)

    def spool(self, folder: Path) -> Path:
        return write_json_rows(folder / "rows.jsonl", self.data, self.name)


KINDS: tuple[type[Given[Any]], ...] = (
    *(PandasFrame, PolarsFrame, PolarsQuery, HubDataset, ArrowTable, ArrowStream),
    *(Columns, ListedRows, StreamedRows),
)
"""The first that knows an object reads it."""


def given(data: Any, split: str | None = None) -> Given[Any]:
    """``data`` as one of ``KINDS``; of a ``DatasetDict`` the split ``split``, by default ``train``.

    Raises PoolError for what holds no rows, and for a split that is not there.
    """
    if _is(data, "datasets", "DatasetDict") or _is(data, "datasets", "IterableDatasetDict"):
        return given(_of_split(data, split))
    if split is not None:
        raise PoolError(
            f"split: '{split}' is a part of a DatasetDict, and an object of type {_kind(data)} was given"
        )
    kind = next((kind for kind in KINDS if kind.knows(data)), None)
    if kind is None:
        raise PoolError(
            f"an object of type {_kind(data)} holds no rows: give a file, a folder, a pandas "
            "or polars DataFrame, an Arrow "
            "table, a Dataset, or dictionaries in a list or a generator"
        )
    return kind(data)


@contextmanager
def as_file(data: object, name: str) -> Iterator[Path]:
    """The file that ``data`` names, or where it is an object a temporary file of its rows, which messages
    call ``name``.

    Raises PoolError where it holds no rows.
    """
    if isinstance(data, str | Path):
        yield Path(data)
        return
    with writing(Path(tempfile.gettempdir())):
        folder = Path(tempfile.mkdtemp(prefix="handpicked-")).resolve()
    try:
        with writing(folder):
            file = given(data).spool(folder)
        spool.name(file, name)
        yield file
    finally:
        spool.forget(folder)


def _of_split(splits: Mapping[str, object], split: str | None) -> object:
    names = ", ".join(splits) or "none"
    if split is not None and split not in splits:
        raise PoolError(f"split: the DatasetDict has no split '{split}'; it has {names}")
    if split is None:
        split = "train" if "train" in splits else next(iter(splits)) if len(splits) == 1 else None
    if split is None:
        raise PoolError(f"the DatasetDict has the splits {names}; name one: split=...")
    return splits[split]


def _spool_stream(data: object, folder: Path, name: str) -> Path:
    """The rows of an object with Arrow's stream protocol, written as they come."""
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PoolError(f"{name} is not a table of rows with columns: {first_line(error)}") from error
    batches: Iterator[pa.RecordBatch] = iter(reader)
    return write_tables(folder / "rows.arrow", reader.schema, batches, name)


def _is(data: object, library: str, name: str) -> bool:
    """Whether ``data`` is of a class of a library, where that has been imported."""
    kind = getattr(sys.modules.get(library), name, None)
    return kind is not None and isinstance(data, kind)


def _are_columns(values: Sequence[Any]) -> bool:
    """Whether these are lists of one length, and not lists of rows alone."""
    if not all(isinstance(value, list | tuple | np.ndarray) for value in values):
        return False
    of_rows = all(isinstance(part, Mapping) for value in values for part in value[:1])
    return len({len(value) for value in values}) == 1 and not of_rows


def _kind(data: object) -> str:
    return type(data).__name__
