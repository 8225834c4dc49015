"""What ``handpicked judge`` prints of length control, and what its JSON holds."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handpicked.experiment.judge_files import replay_file
from handpicked.experiment.judged_text import text_of

FIELDS = ("instruction", "output_1", "output_2", "generator_1", "generator_2", "preference", "annotator")


def annotations(path, rows):
    """AlpacaEval annotations: (length of the baseline's answer, of the model's, preference 1 to 2)."""
    table = [
        (f"p{i}", "b" * base, "m" * model, "base", "model", preference, "judge")
        for i, (base, model, preference) in enumerate(rows)
    ]
    pq.write_table(pa.table(dict(zip(FIELDS, zip(*table, strict=True), strict=True))), path)
    return path


def replayed(path, rows):
    results = replay_file(annotations(path, rows), None).results
    (comparison,) = results.judges[0].comparisons
    return comparison, text_of(results)


MIXED = [(100, (80, 95, 105, 140)[i % 4], 2.0 if i % 3 else 1.0) for i in range(80)]


def test_the_rate_is_printed_with_the_other_forms_and_the_pairs_near_equal_length(tmp_path):
    comparison, printed = replayed(tmp_path / "r.parquet", MIXED)
    rate = comparison.length_controlled.win_rate
    assert rate.reason is None and rate.value is not None
    assert (rate.near_equal.pairs, rate.near_equal.of, rate.near_equal.share) == (
        60,
        80,
        0.75,
    )
    low, high = rate.range
    assert f"at equal length: {low:.0%} to {high:.0%} over 4 forms of control" in printed
    assert "60 of 80 pairs (75%) are within 20% of equal length" in printed
    assert comparison.length_controlled_soft is None


def test_what_cannot_be_estimated_is_printed_with_its_reason(tmp_path):
    comparison, printed = replayed(tmp_path / "r.parquet", [(100, 300, p) for _, _, p in MIXED])
    why = "the first model's answer is longer in 100% of 80 pairs"
    rate = comparison.length_controlled.win_rate
    assert (rate.value, rate.low, rate.reason) == (None, None, why)
    assert f"at equal length: no value: {why}" in printed


def test_soft_preferences_have_a_rate_at_equal_length_of_their_own(tmp_path):
    """Every preference is 1.3 or 1.9: soft 0.3 and 0.9, by the strict rule a loss and a win."""
    soft = [(base, model, 1.9 if p == 2 else 1.3) for base, model, p in MIXED]
    comparison, printed = replayed(tmp_path / "r.parquet", soft)
    strict = comparison.length_controlled.win_rate.value
    found = comparison.length_controlled_soft.win_rate.value
    assert strict == pytest.approx(2 / 3, abs=0.02)
    assert found == pytest.approx(0.7, abs=0.02)
    (line,) = [line for line in printed.splitlines() if "soft, at equal length " in line]
    assert line.split("soft, at equal length")[1].split()[0] == f"{100 * found:.1f}"
