"""What a short command need not import."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import pyarrow as pa


class _NoPandas:
    """An import finder that says pandas is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not needed here", name=name)
        return None


def keep_pandas_out() -> None:
    """Let pyarrow decide, once, to work without pandas.

    The first ``pyarrow.array`` of a process imports pandas wherever it is installed, a third of a second for nothing.
    pyarrow remembers that it was not there; code that imports pandas later still gets it.
    """
    if "pandas" in sys.modules:
        return

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


def int64_array(values: np.ndarray[Any, Any]) -> pa.Array:
    """``values`` as an Arrow array, from their buffer: ``pa.array`` of a NumPy array imports pandas where that is installed."""
    data = pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, data])
