import pyarrow as pa
import pytest

from handpicked.scorers.pool_scorer import SCORES, write_scores
from handpicked.scorers.stored import Stored


def left(folder, rows, values):
    write_scores(folder, pa.table({"row": rows, "ifd": pa.array(values, pa.float64())}))
    return Stored("ifd", str(folder / SCORES), "ratio", "high")


def test_values_are_found_by_row_whatever_the_order(tmp_path):
    stored = left(tmp_path, [7, 2, 5], [0.7, 0.2, None])
    batch = pa.record_batch({"row": pa.array([2, 3, 5, 7, 9], pa.int64())})
    assert stored(batch).to_pylist() == [0.2, None, None, 0.7, None]


def test_an_empty_batch_gives_the_type(tmp_path):
    stored = left(tmp_path, [1], [0.5])
    empty = pa.RecordBatch.from_arrays([pa.array([], pa.large_string())], names=["row"])
    assert stored(empty).type == pa.float64()


def test_no_scores_at_all(tmp_path):
    stored = left(tmp_path, pa.array([], pa.int64()), [])
    assert stored(pa.record_batch({"row": pa.array([0, 1], pa.int64())})).to_pylist() == [None, None]


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(AssertionError, match="ifd"):
        left(tmp_path, [1], [float("nan")])
