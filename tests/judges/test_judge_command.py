"""``handpicked judge`` on stored reviews and labels: no call, no folder needed, one clear line a mistake."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest


def judge(*words):
    command = [sys.executable, "-m", "handpicked", "judge", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def order(tmp_path):
    row = {"text": "p", "Answer1": "a", "Answer2": "b", "review": "8 6", "label": 1}
    (tmp_path / "order.json").write_text(json.dumps([row]))
    turned = {**row, "Answer1": "b", "Answer2": "a", "review": "<think>9 9</think>\n6 8"}
    (tmp_path / "reversed.json").write_text(json.dumps([turned]))
    return tmp_path / "order.json"


def test_two_files_of_reviews_are_replayed_and_reported_from_the_side_of_the_named_model(order):
    other = order.with_name("reversed.json")
    done = judge("--replay", order, "--reversed", other, "--a", "mine", "--b", "theirs", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["judges"][0]["comparisons"]
    assert (found["a"], found["b"], found["strict"]["counts"]["win"]) == ("mine", "theirs", 1)
    assert "reviews in one order, 1 pairs" in done.stderr


def test_labels_with_stored_verdicts_are_compared_without_a_folder(tmp_path):
    row = {"instruction": "p", "response1": "a", "response2": "b", "annotator1": 1, "gpt_result": "1"}
    (tmp_path / "labels.json").write_text(json.dumps([row, {**row, "instruction": "q", "gpt_result": "2"}]))
    done = judge("--calibrate", tmp_path / "labels.json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"agrees with people, all +50\.0", done.stdout), done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--reversed", "x.json", "a.json", "b.json"), "they need --replay"),
        (("--replay", "x.json", "a.json", "b.json"), "one of these"),
        ((), "one of these"),
        (("--replay", "ORDER", "--judge", "scores"), "--judge calls a judge"),
        (("--replay", "ORDER", "--a", "nobody"), "There is no model 'nobody'"),
        (("--calibrate", "ORDER"), "Fields seen: text, Answer1, Answer2, review, label"),
    ],
)
def test_mistakes_are_one_line(order, words, says):
    done = judge(*(order if word == "ORDER" else word for word in words))
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
