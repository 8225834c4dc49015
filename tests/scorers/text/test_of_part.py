"""Measures of the thought, the answer, or all of a response."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError
from handpicked.selection import pick
from handpicked.selection.scoring import score_into

ROWS = [
    {"prompt": "p", "response": "<think>\none two three\n</think>\n\nfour"},
    {"prompt": "p", "response": "one two"},
    {"messages": None, "prompt": "p", "response": "<thinking>one</thinking>one two three four five"},
]


@pytest.fixture
def pool(tmp_path):
    (tmp_path / "pool.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS))
    return read(tmp_path / "pool.jsonl")


@pytest.mark.parametrize(
    ("part", "words", "longest"),
    [("response", [6, 2, 5], 0), ("thought", [3, 0, 1], 0), ("answer", [1, 2, 5], 2)],
)
def test_each_part_has_its_own_length(pool, tmp_path, part, words, longest):
    counts = score_into(pool, ["words"], tmp_path / "scores", part=part)
    assert pq.read_table(tmp_path / "scores/scores.parquet")["words"].to_pylist() == words
    assert counts["part"] == part
    summary = pick(pool, SelectSettings(size=1, measure="words", part=part), tmp_path / "out")
    assert json.loads((tmp_path / "out/selected.jsonl").read_text()) == ROWS[longest]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["part"] == manifest["scores"][0]["part"] == summary.settings["part"] == part


def test_a_part_needs_a_score_by_text(pool, tmp_path):
    with pytest.raises(ConfigError, match="'random' ranks by no text"):
        pick(pool, SelectSettings(by="random", size=1, part="thought"), tmp_path / "out")
    with pytest.raises(ConfigError, match="needs chars of the whole response"):
        settings = SelectSettings(size=1, measure="chars", part="thought", guards=("near-duplicates",))
        pick(pool, settings, tmp_path / "out")
