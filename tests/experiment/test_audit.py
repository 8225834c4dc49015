"""The audit stages of a run: what they look at, that a sample says so, and that a
second run computes nothing.
"""

from __future__ import annotations

import json

import pytest

from handpicked.config import Experiment
from handpicked.experiment import audit as auditing
from handpicked.experiment import stages
from handpicked.experiment.job import Job, Measured
from handpicked.experiment.lineup import lineup
from handpicked.progress import SILENT
from handpicked.records import Completion
from handpicked.scorers.text import root_verb
from handpicked.store import open_run


@pytest.fixture
def job(tmp_path):
    rows = [
        {
            "instruction": f"Write number {n}." if n % 2 else "Explain it.",
            "input": "",
            "output": "perhaps " * (n % 4) + "word " * (n + 1),
        }
        for n in range(40)
    ]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "no row\n")
    experiment = Experiment.model_validate(
        {
            "name": "audit",
            "pool": {"path": str(tmp_path / "pool.jsonl")},
            "arms": {
                "longest": {"by": "longest", "size": 10, "measure": "words"},
                "hedging": {"by": "top", "field": "hedges", "size": 5},
                "all": {"by": "full"},
            },
        }
    )
    with open_run(tmp_path / "run") as store:
        yield Job(store, lineup(experiment), SILENT)


def opened(job):
    pools = stages.pools(job)
    return pools[None], stages.subsets(job, pools, list(job.experiment.arms))


def test_lengths_are_counted_once(job):
    pool, _ = opened(job)
    found, ran = auditing.lengths(job, "pool", pool.pool, pool.identity, "words", None)
    assert found.tolist() == [n % 4 + n + 1 for n in range(40)]
    again, second = auditing.lengths(job, "pool", pool.pool, pool.identity, "words", None)
    assert again.tolist() == found.tolist() and second.skipped and not ran.skipped


def test_the_audit_holds_features_scores_and_overlap_of_every_subset(job):
    pool, subsets = opened(job)
    found = auditing.audit(job, pool, subsets, "words", None)
    assert found.rows["row"] == list(range(40))
    assert {name: (len(one.rows), one.of) for name, one in found.sets.items()} == {
        auditing.POOL: (40, 41), "longest": (10, 10), "hedging": (5, 5), "all": (40, 40)
    }  # fmt: skip
    assert found.sets["longest"].rows == list(range(30, 40))
    assert found.rows["words"] == [n % 4 + n + 1 for n in range(40)]
    assert found.rows["hedges"] == [pytest.approx(100 * (n % 4) / (n % 4 + n + 1)) for n in range(40)]
    everything = next(row for row in found.overlap if (row.a, row.b) == ("longest", "all"))
    assert everything.both == 10 and everything.overlap == 1.0
    if root_verb.missing() is None:
        assert (
            found.verbs is not None and [one[0] for one in found.verbs.values()] == ["explain", "write"] * 20
        )
    again = auditing.audit(job, pool, subsets, "words", None)
    assert again.rows == found.rows and all(stage.skipped for stage in again.stages)


def test_a_sample_says_so_and_is_the_same_rows_of_every_set(job, monkeypatch):
    monkeypatch.setattr(auditing, "SAMPLE", 12)
    pool, subsets = opened(job)
    found = auditing.audit(job, pool, subsets, "words", None)
    whole, everything = found.sets[auditing.POOL], found.sets["all"]
    assert len(everything.rows) == 12 and everything.of == 40
    assert set(whole.rows) <= set(
        everything.rows
    )  # of 41 rows one is not a row: the pool's sample may hold it
    assert found.sets["longest"].rows == list(range(30, 40))


def test_without_spacy_only_the_verbs_are_lacking(job, monkeypatch):
    monkeypatch.setattr(root_verb, "find_spec", lambda name: None)
    pool, subsets = opened(job)
    assert auditing.audit(job, pool, subsets, "words", None).verbs is None
    assert auditing.prompt_verbs(job, []) is None
    assert auditing.document_verbs(job, {"ifeval": {"1": "Write a poem."}}) is None


def test_questions_of_benchmarks_are_parsed_once(job):
    if root_verb.missing() is not None:
        pytest.skip("needs spaCy's English pipeline")
    questions = {"ifeval": {"1": "Write a poem. \ud800", "2": "!"}, "mmlu": {"1": "Write a poem. \ud800"}}
    found, ran = auditing.document_verbs(job, questions)
    assert found == {"ifeval": {"1": "write", "2": None}, "mmlu": {"1": "write"}}
    turned = {name: dict(reversed(asked.items())) for name, asked in reversed(questions.items())}
    again, second = auditing.document_verbs(job, turned)
    assert again == found and second.skipped and not ran.skipped
    assert auditing.document_verbs(job, {"hellaswag": {}}) is None


def test_features_of_answers_are_by_arm_and_prompt(job):
    answers = {
        arm: Measured([Completion(arm, "p", text, 3, True)], arm, None)
        for arm, text in (("longest", "perhaps so \ud800"), ("all", ""))
    }
    found, _ = auditing.answer_features(job, answers)
    assert found["longest", "p"]["hedges"] == pytest.approx(100 / 3)
    assert found["all", "p"]["hedges"] is None
