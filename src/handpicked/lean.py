"""What a short command need not import."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec


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
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
