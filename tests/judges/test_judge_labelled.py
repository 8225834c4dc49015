"""Pairs labelled by people."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from handpicked.errors import ConfigError, PoolError
from handpicked.experiment.judge_files import calibrate
from handpicked.judges.labelled import read_labelled
from handpicked.judges.outcome import verdict
from handpicked.records import Review
from handpicked.statistics.calibration import calibration


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


def test_pairs_of_the_users_own_are_read_and_one_without_a_label_is_counted(tmp_path):
    labels = ["a", " B ", "tie", "both", None]
    rows = [
        {"prompt": f"q{i}", "answer_a": "x", "answer_b": "y", "preferred": one}
        for i, one in enumerate(labels)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_labelled(tmp_path / "own.jsonl")
    assert found.labels == ("win", "lose", "tie")
    assert found.without == 2
    assert [pair.answer_a for pair in found.pairs] == ["x"] * 3


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


def llmbar(label, first, second, **fields):
    """A row of LLMBar's stored results; a winner is the number of an answer in both orders."""
    found = {
        "swap = False": {"winner": first, "completion": ["x", "stop"]},
        "swap = True": {"winner": second},
    }
    return {
        "input": "q",
        "output_1": "a",
        "output_2": "b",
        "label": label,
        "results": [{"prompt": ""}, found],
        **fields,
    }


def test_llmbars_stored_verdicts_are_held_against_its_labels_with_no_call(tmp_path):
    folder = tmp_path / "evaluators/GPT-4/Swap"
    folder.mkdir(parents=True)
    rows = [llmbar(1, "1", "1"), llmbar(2, "1", "1"), llmbar(1, "1", "2"), llmbar(1, None, "1")]
    (folder / "result.json").write_text(json.dumps(rows))
    judged = calibrate(folder / "result.json", [], None)
    (judge,) = judged.results.judges
    assert judge.judge == "GPT-4/Swap"
    assert judge.people["all"].agreement.value == pytest.approx(1 / 3)
    assert judge.people["all"].agreement.missing == 1
    assert judge.people["decided"].agreement.n == 2
    assert judge.health.contradictions.n == 3
    assert judge.health.unparsed_reasons == {"the stored winner is None": 1}


def test_pandalms_verdicts_may_be_next_to_the_labels_or_in_a_file_of_their_own(tmp_path):
    labels = [
        {
            "idx": i,
            "instruction": "do",
            "input": str(i),
            "response1": "a",
            "response2": "b",
            "annotator1": vote,
        }
        for i, vote in enumerate([1, 2, 0, 1])
    ]
    found = [
        {"idx": i, "gpt_result": value, "gpt_reason": "why"}
        for i, value in enumerate(["1", "1", "Tie", "garbage"])
    ]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    (tmp_path / "verdicts.json").write_text(json.dumps(found[::-1]))
    (tmp_path / "both.json").write_text(json.dumps([a | b for a, b in zip(labels, found, strict=True)]))
    apart = calibrate(tmp_path / "labels.json", [], None, verdicts=tmp_path / "verdicts.json").results.judges
    together = calibrate(tmp_path / "both.json", [], tmp_path / "out").results.judges
    assert apart == together
    (judge,) = apart
    assert judge.judge == "gpt"
    assert judge.people["all"].agreement.value == pytest.approx(2 / 3)
    assert judge.people["all"].agreement.missing == 1
    assert (tmp_path / "out/verdicts.jsonl").is_file()
    with pytest.raises(ConfigError, match="name a judge with --judge"):
        calibrate(tmp_path / "labels.json", [], None)
    (tmp_path / "other.json").write_text(json.dumps([{"idx": 99, "gpt_result": "1"}]))
    with pytest.raises(PoolError, match="no 'idx' in common"):
        calibrate(tmp_path / "labels.json", [], None, verdicts=tmp_path / "other.json")


def test_lfqas_experts_are_labels(tmp_path):
    rows = [
        {"question": "q", "answer_a": "a", "answer_b": "b", "overall_preference": v}
        for v in (-1, 0, 1.0, None)
    ]
    (tmp_path / "e.json").write_text(json.dumps(rows))
    found = read_labelled(tmp_path / "e.json")
    assert (found.format, found.labels, found.without) == ("LFQA", ("win", "tie", "lose"), 1)


def test_pairs_of_judge_bench_with_decisions_in_both_orders(tmp_path):
    def row(label, first, second):
        pair = {"question": "q", "response_A": "x", "response_B": "y", "source": "math", "label": label}
        return {**pair, "judge_name": "j", "judgments": [{"decision": first}, {"decision": second}]}

    rows = [row("A>B", "A>B", "B>A"), row("B>A", "A>B", "A>B"), row("B>A", "B>A", None)]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_labelled(tmp_path / "b.jsonl")
    assert (found.format, found.labels) == ("JudgeBench", ("win", "lose", "lose"))
    judged = calibrate(tmp_path / "b.jsonl", [], None)
    (judge,) = judged.results.judges
    assert judge.judge == "j"
    assert judge.people["all"].agreement.value == 0.5  # the second contradicts itself: a tie
    assert judge.people["all"].agreement.missing == 1


def test_chosen_and_rejected_of_reward_bench_with_its_results(tmp_path):
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]
    rows = [
        {"prompt": "q", "chosen": "good", "rejected": "bad", "subset": "s", "results": 1},
        {"prompt": turns[:1], "chosen": turns, "rejected": [turns[1] | {"content": "bad"}], "results": 0.5},
        {"prompt": "r", "chosen": "good", "rejected": "bad", "results": 0},
    ]
    (tmp_path / "judge-7b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_labelled(tmp_path / "judge-7b.jsonl")
    assert (found.format, found.labels) == ("RewardBench", ("win", "win", "win"))
    assert {(pair.answer_a, pair.answer_b) for pair in found.pairs} == {("good", "bad")}
    assert [one[0].preferred for one in found.judged["judge-7b"]] == ["first", "tie", "second"]
    (tmp_path / "two.jsonl").write_text(json.dumps({"prompt": "q", "chosen": ["a", "b"], "rejected": ["c"]}))
    with pytest.raises(PoolError, match=r"row 1 .*'chosen' is a list"):
        read_labelled(tmp_path / "two.jsonl")
