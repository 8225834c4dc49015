"""Rows of a pool as objects of the libraries that people work with, with the columns and types that they had.

Where the pool came from an object of the same library, the rows are taken from that object. Else those of
Parquet and Arrow files keep their Arrow types, and those of text files are what JSON says.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from handpicked.data.pool import FilePool
from handpicked.data.written_tables import original_table
from handpicked.errors import MissingPart
from handpicked.records import Json, Pool

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl


def to_list(pool: Pool, rows: np.ndarray) -> list[Json]:
    """The rows (ascending) as dictionaries: those of a list that was given, else what JSON can hold of them
    (dates as text).
    """
    own = _own(pool, "list", rows)
    return [dict(one.original) for one in pool.examples(rows.tolist())] if own is None else own


def to_arrow(pool: Pool, rows: np.ndarray) -> pa.Table:
    """The rows (ascending) as an Arrow table. Raises PoolError where rows of a text file fit no one schema."""
    own = _own(pool, "pyarrow", rows)
    return original_table(pool, rows.tolist()) if own is None else own


def to_pandas(pool: Pool, rows: np.ndarray) -> pd.DataFrame:
    """The rows (ascending) as a pandas DataFrame. Raises MissingPart without pandas."""
    pandas = _library("pandas")
    own = _own(pool, "pandas", rows)
    if own is not None:
        return own
    columnar = isinstance(pool, FilePool) and pool.columnar
    return to_arrow(pool, rows).to_pandas() if columnar else pandas.DataFrame(to_list(pool, rows))


def to_polars(pool: Pool, rows: np.ndarray) -> pl.DataFrame:
    """The rows (ascending) as a polars DataFrame. Raises MissingPart without polars, and as ``to_arrow``."""
    polars = _library("polars")
    own = _own(pool, "polars", rows)
    return polars.from_arrow(to_arrow(pool, rows)) if own is None else own


def to_dataset(pool: Pool, rows: np.ndarray) -> datasets.Dataset:
    """The rows (ascending) as a ``datasets.Dataset``. Raises MissingPart without it, and as ``to_arrow``."""
    library = _library("datasets")
    own = _own(pool, "datasets", rows)
    return library.Dataset(to_arrow(pool, rows)) if own is None else own


def _own(pool: Pool, library: str, rows: np.ndarray) -> Any:
    """The rows of the object that was given, where it is of this library."""
    given = getattr(pool, "given", None)
    return given.take(rows) if given is not None and given.library == library else None


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPart(f"the rows as an object of {name} need {name}: pip install {name}") from error
