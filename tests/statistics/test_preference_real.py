"""Real judgements: GPT-4's known liking for lists and headings shows, with length held fixed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.records import Verdict
from handpicked.scorers.text.features import FEATURES
from handpicked.statistics.preference import preference

pytestmark = pytest.mark.data
NAMES = ("list_items", "steps", "headings", "bold")


def test_gpt4_prefers_structure_at_equal_length(real_data):
    """The annotations of AlpacaEval 1. Their own table of evaluators reports that this one prefers lists."""
    rows = pq.read_table(real_data / "judge_meta" / "alpaca_eval1_gpt4_annotations.parquet").to_pylist()
    verdicts, texts = [], {}
    for row in rows:
        if row["preference"] in (1.0, 2.0):
            one, two, prompt = row["generator_1"], row["generator_2"], row["instruction"]
            texts[one, prompt], texts[two, prompt] = row["output_1"], row["output_2"]
            outcome = "win" if row["preference"] == 1.0 else "lose"
            lengths = {"length_a": len(row["output_1"]), "length_b": len(row["output_2"])}
            verdicts.append(Verdict(prompt, one, two, "gpt4", (), outcome, outcome, **lengths))
    batch = pa.record_batch({"response": pa.array(list(texts.values()), pa.large_string())})
    columns = {name: FEATURES[name]()(batch).to_pylist() for name in NAMES}
    answers = {key: {name: columns[name][place] for name in NAMES} for place, key in enumerate(texts)}
    found = {row.feature: row for row in preference(verdicts, answers, NAMES).rows}
    for name in ("list_items", "steps", "headings"):
        assert found[name].effect.low > 0 and found[name].holm < 0.05, name
    assert found["bold"].holm > 0.05
