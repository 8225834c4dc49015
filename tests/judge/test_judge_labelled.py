"""Pairs labelled by people."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from handpicked.analyze.calibration import calibration
from handpicked.errors import PoolError
from handpicked.judge.labelled import read_labelled
from handpicked.judge.outcome import verdict
from handpicked.records import Review


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "name", "labels"),
    [
        ("llmbar_419", "LLMBar", {"win": 206, "lose": 213}),
        ("faireval_80", "FairEval", {"win": 41, "lose": 25, "tie": 14}),
        ("autoj_pairwise_1392", "Auto-J", {"win": 520, "lose": 499, "tie": 373}),
    ],
)
def test_public_sets(real_data, file, name, labels):
    found = read_labelled(real_data / f"judge_meta/{file}.parquet")
    assert found.format == name
    assert Counter(found.labels) == labels
    assert found.without == 0
    assert len(found.pairs) == len(found.labels)


@pytest.mark.parametrize(
    ("votes", "label"), [((1, 1, 2), "win"), ((2, 2, 0), "lose"), ((0, 1, 2), "tie"), ((0, 0, 1), "tie")]
)
def test_pandalm_counts_the_majority(tmp_path, votes, label):
    row = {"instruction": "do", "input": "x", "response1": "a", "response2": "b"}
    row |= {f"annotator{i}": vote for i, vote in enumerate(votes, 1)}
    (tmp_path / "p.json").write_text(json.dumps([row]))
    found = read_labelled(tmp_path / "p.json")
    assert (found.format, found.labels, found.pairs[0].prompt) == ("PandaLM", (label,), "do\n\nx")


def test_what_is_no_labelled_pair_is_refused(tmp_path):
    (tmp_path / "p.json").write_text('[{"instruction": "x"}]')
    with pytest.raises(PoolError, match="Fields seen: instruction"):
        read_labelled(tmp_path / "p.json")


@pytest.mark.data
def test_a_judge_that_says_what_people_say_agrees_fully_and_one_that_likes_the_longer_does_not(real_data):
    found = read_labelled(real_data / "judge_meta/llmbar_419.parquet")

    def judged(preferred):
        back = {"first": "second", "second": "first", "tie": "tie"}
        return [
            verdict(pair, "j", [Review("ab", p, "", None), Review("ba", back[p], "", None)])
            for pair, p in zip(found.pairs, preferred, strict=True)
        ]

    echo = judged(["first" if label == "win" else "second" for label in found.labels])
    assert calibration(echo, found.labels)["all"].kappa.value == 1
    longer = judged(
        ["first" if len(p.answer_a) > len(p.answer_b) else "second" for p in found.pairs],
    )
    against = calibration(longer, found.labels)
    assert against["all"].agreement.n == 419
    assert (
        against["Adversarial/Neighbor"].agreement.high < 0.5
    )  # LLMBar's adversarial answers are long and wrong
    assert against["all"].kappa.high < 0
