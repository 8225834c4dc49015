import pyarrow as pa

from handpicked.selectors.ranked import Top
from handpicked.selectors.selector import Scores


def test_values_over_the_ceiling_are_never_taken():
    table = pa.table(
        {
            "row": pa.array(range(5), pa.int64()),
            "id": pa.array([f"{row:032x}" for row in range(5)], pa.large_string()),
            "ifd": pa.array([0.2, 1.5, 1.0, None, 0.9]),
        }
    )
    assert Top("ifd").select(Scores.of(table), 2).tolist() == [1, 2]
    assert Top("ifd", ceiling=1.0).select(Scores.of(table), 2).tolist() == [2, 4]
    assert Top("ifd", ceiling=1.0).select(Scores.of(table), 5).tolist() == [0, 2, 4]
    assert "not over 1" in Top("ifd", ceiling=1.0).why_not(2)
