"""One answer a prompt, the best."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handpicked.config import SelectSettings
from handpicked.data import read
from handpicked.errors import ConfigError
from handpicked.selection import pick
from handpicked.selectors.best_response import BestResponse
from handpicked.selectors.selector import Scores


def scores(prompts, values):
    columns = {
        "row": pa.array(range(len(prompts)), pa.int64()),
        "id": [f"{row:032x}" for row in range(len(prompts))],
        "prompt_hash": [f"{prompt:032x}" for prompt in prompts],
        "score": pa.array(values, pa.float64()),
    }
    return Scores.of(pa.table(columns))


def test_the_best_of_each_prompt():
    table = scores([1, 2, 1, 2, 3], [1, 5, 2, 4, None])
    assert BestResponse("score").select(table, 5).tolist() == [1, 2]
    assert BestResponse("score", highest=False).select(table, 5).tolist() == [0, 3]
    assert BestResponse("score").select(table, 1).tolist() == [1]
    assert BestResponse("score", ceiling=1.5).select(table, 5).tolist() == [0]
    assert BestResponse("score").select(scores([], []), 3).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 3)))))
def test_it_is_the_first_best_row_of_each_prompt(rows):
    prompts, values = [one for one, _ in rows], [two for _, two in rows]
    best = {}
    for row, (prompt, value) in enumerate(rows):
        if value is not None and (prompt not in best or value > values[best[prompt]]):
            best[prompt] = row
    assert BestResponse("score").select(scores(prompts, values), len(rows)).tolist() == sorted(best.values())


def test_from_a_file_by_a_length_or_a_field(tmp_path):
    rows = [("q", "a b", 2), ("q", "a b c", 1), ("r", "x", 3), ("s", "y", None)]
    lines = (json.dumps(dict(zip(("prompt", "response", "score"), row, strict=True))) for row in rows)
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    pool = read(tmp_path / "pool.jsonl")

    def kept(**settings):
        pick(pool, SelectSettings(by="best-response", **settings), tmp_path / "out")
        return [
            json.loads(line)["response"]
            for line in (tmp_path / "out/selected.jsonl").read_text().splitlines()
        ]

    assert kept(measure="words") == ["a b c", "x", "y"]
    assert kept(options={"field": "score"}) == ["a b", "x"]
    assert kept(options={"field": "score"}, size=1) == ["x"]
    with pytest.raises(ConfigError, match="one answer a prompt"):
        kept(options={"field": "score"}, size=3)
    assert isinstance(BestResponse("score").select(scores([1], [1]), 1), np.ndarray)
