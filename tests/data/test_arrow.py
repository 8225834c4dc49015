"""The command line does not pay for pandas, and whoever wants pandas still gets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from handpicked.data.arrow import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
pa.array([1, 2])
assert "pandas" not in sys.modules
frame = pa.table({"a": [1, 2]}).to_pandas()
import pandas
assert frame["a"].tolist() == [1, 2]
assert pa.array(pandas.Series([1, None])).null_count == 1
"""


def test_pyarrow_starts_without_pandas_and_can_use_it_later():
    pytest.importorskip("pandas")
    subprocess.run([sys.executable, "-c", CODE], check=True)
