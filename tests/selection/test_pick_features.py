"""Subsets by a linguistic feature: alone, in a window, at matched length, in the
files that a selection leaves.
"""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.errors import ConfigError
from handpicked.scorers.text.features import FEATURES
from handpicked.selection import pick
from handpicked.selection.scoring import score_into
from memory_pool import MemoryPool


@pytest.fixture
def pool():
    """60 rows: every third hedges, and the n-th has n + 3 words."""
    return MemoryPool(
        [
            {
                "prompt": f"question {n}",
                "response": ("Perhaps" if n % 3 == 0 else "Surely") + " it is" + " so" * n + ".",
            }
            for n in range(60)
        ]
    )


def chosen(pool, out, **settings):
    pick(pool, SelectSettings(**settings), out)
    return (
        pq.read_table(out / "scores.parquet")
        .filter(pq.read_table(out / "scores.parquet")["kept"])
        .to_pydict()
    )


def test_top_and_bottom_by_a_feature(pool, tmp_path):
    top = chosen(pool, tmp_path / "top", by="top", field="hedges", size=5)
    assert top["row"] == [0, 3, 6, 9, 12]  # one hedge each: the shortest have the highest rate
    bottom = chosen(pool, tmp_path / "bottom", by="bottom", field="hedges", size=40)
    assert all(row % 3 for row in bottom["row"])
    manifest = json.loads((tmp_path / "top" / "manifest.json").read_text())
    assert [one for one in manifest["scores"] if one["name"] == "hedges"] == [
        {
            "name": "hedges",
            "unit": "per 100 words",
            "better": "none",
            "null": "the response has no words outside of code",
            "version": 1,
            "part": "response",
        }
    ]


def test_a_window_of_a_feature_and_its_control_at_matched_length(pool, tmp_path):
    window = chosen(pool, tmp_path / "window", by="window", field="hedges", low=0.9, high=1.0)
    assert len(window["row"]) == 7 and all(row % 3 == 0 for row in window["row"])
    control = chosen(
        pool,
        tmp_path / "control",
        by="length-matched",
        of=str(tmp_path / "window"),
        measure="words",
        disjoint=True,
    )
    assert len(control["row"]) == 7 and not set(control["row"]) & set(window["row"])
    apart = [abs(a - b) for a, b in zip(control["words"], (row + 3 for row in window["row"]), strict=True)]
    assert max(apart) <= 6


def test_a_feature_alone_names_no_end(pool, tmp_path):
    with pytest.raises(ConfigError, match="with field 'hedges'"):
        chosen(pool, tmp_path / "out", by="hedges", size=5)


def test_every_feature_is_a_score(pool, tmp_path):
    counts = score_into(pool, list(FEATURES), tmp_path / "scores")
    assert counts["scored"] == 60
    table = pq.read_table(tmp_path / "scores" / "scores.parquet")
    assert set(table.column_names) == {"row", "id", *FEATURES}
    assert table["hedges"].to_pylist()[:3] == [pytest.approx(100 / 3), 0.0, 0.0]
