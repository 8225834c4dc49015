"""Rows of benchmarks as their authors, the hub and tables have them, and the files in which they lie."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from handpicked.bench.catalogue import BENCHMARKS
from handpicked.bench.local import find
from handpicked.errors import ConfigError, PoolError

QUESTION = {"question": "Which?", "answerKey": "2"}
TEXTS = ["air", "iron", "milk"]


def rows(folder: Path, name: str, file: str, *found: dict[str, object]) -> list[dict[str, object]]:
    """The rows that are evaluated, of a file with these rows."""
    place = folder / file
    place.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in found)
    place.write_bytes(gzip.compress(text.encode()) if file.endswith(".gz") else text.encode())
    data = find(BENCHMARKS[name], folder)
    return data.rows()[data.evaluated]


@pytest.mark.parametrize(
    ("row", "labels"),
    [
        ({**QUESTION, "choices": {"text": TEXTS, "label": ["1", "2", "3"]}}, ["1", "2", "3"]),
        ({**QUESTION, "choices": {"text": TEXTS, "label": ["A", "B", "C"]}}, ["A", "B", "C"]),
        ({**QUESTION, "choices": TEXTS}, ["A", "B", "C"]),
        ({**QUESTION, "choices": TEXTS, "answerKey": "B"}, ["A", "B", "C"]),
        ({**QUESTION, "choices": TEXTS, "answerKey": 2}, ["A", "B", "C"]),
        ({**QUESTION, "choices": str(TEXTS)}, ["A", "B", "C"]),
        ({**QUESTION, "choices": {"text": TEXTS, "label": [1, 2, 3]}, "answerKey": "B"}, ["1", "2", "3"]),
        (
            {
                "question": {
                    "stem": "Which?",
                    "choices": [
                        {"text": text, "label": label} for text, label in zip(TEXTS, "ABC", strict=True)
                    ],
                },
                "answerKey": "B",
            },
            ["A", "B", "C"],
        ),
    ],
)
def test_the_right_choice_of_arc_is_the_same_however_it_is_named(tmp_path, row, labels):
    (made,) = rows(tmp_path, "arc-challenge", "arc_challenge_test.jsonl", row)
    choices = made["choices"]
    assert (made["question"], choices) == ("Which?", {"text": TEXTS, "label": labels})
    assert choices["text"][labels.index(made["answerKey"])] == "iron"


@pytest.mark.parametrize("key", ["4", "D", "0", "", None, "iron"])
def test_a_key_that_is_no_choice_is_refused_with_its_row(tmp_path, key):
    with pytest.raises(PoolError, match=r"row 1: .*'answerKey' is"):
        rows(
            tmp_path,
            "arc-challenge",
            "arc_challenge_test.jsonl",
            {**QUESTION, "choices": TEXTS, "answerKey": key},
        )


@pytest.mark.parametrize("label", [2, "2", 2.0, "2.0"])
def test_labels_of_hellaswag_and_mmlu_may_be_texts_or_floats(tmp_path, label):
    row = {
        "activity_label": "x",
        "ctx_a": "He",
        "ctx_b": None,
        "endings": str(["a", "b", "c", "d"]),
        "label": label,
    }
    (made,) = rows(tmp_path, "hellaswag", "hellaswag_val.jsonl", row)
    assert (made["ctx_b"], made["endings"], made["label"]) == ("", ["a", "b", "c", "d"], "2")
    exam = {"subject": "law", "question": "?", "choices": ["a", "b", "c", "d"], "answer": label}
    (made,) = rows(tmp_path, "mmlu", "mmlu_test.jsonl", exam)
    assert made["answer"] == 2


@pytest.mark.parametrize("label", [4, -1, "x", "", None, True, 0.5])
def test_labels_that_are_no_ending_are_refused(tmp_path, label):
    row = {"activity_label": "x", "ctx_a": "He", "ctx_b": "", "endings": ["a", "b", "c", "d"], "label": label}
    with pytest.raises(PoolError, match="'label' is"):
        rows(tmp_path, "hellaswag", "hellaswag_val.jsonl", row)


def test_truthfulqas_own_release_has_the_labels_by_the_texts(tmp_path):
    own = {"question": "?", "mc1_targets": {"yes": 1, "no": 0}, "mc2_targets": {"no": 0, "yes": 1, "so": 1}}
    (made,) = rows(tmp_path, "truthfulqa-mc2", "mc_task.json", own)
    assert made["mc2_targets"] == {"choices": ["no", "yes", "so"], "labels": [0, 1, 1]}


@pytest.mark.parametrize("answer", [2, "2", 2.0])
def test_answers_of_winogrande(tmp_path, answer):
    row = {"sentence": "a _ b", "option1": "x", "option2": "y", "answer": answer}
    (made,) = rows(tmp_path, "winogrande", "winogrande_xl_val.jsonl", row)
    assert made["answer"] == "2"


SUM = {"question": "2+2?", "answer": "#### 4"}


@pytest.mark.parametrize(
    ("name", "file", "row"),
    [
        ("gsm8k", "gsm8k/main/test-00000-of-00001.jsonl", SUM),
        ("gsm8k", "grade_school_math/data/test.jsonl", SUM),
        ("gsm8k", "gsm8k_test.jsonl.gz", SUM),
        ("arc-challenge", "ai2_arc/ARC-Challenge/test-00000-of-00001.jsonl", {**QUESTION, "choices": TEXTS}),
        ("arc-challenge", "ARC-Challenge-Test.jsonl", {**QUESTION, "choices": TEXTS}),
        (
            "ifeval",
            "input_data.jsonl",
            {"key": 1, "prompt": "p", "instruction_id_list": ["a"], "kwargs": [{}]},
        ),
    ],
)
def test_files_lie_where_the_hub_and_the_authors_put_them(tmp_path, name, file, row):
    assert len(rows(tmp_path, name, file, row)) == 1


def test_another_set_of_the_same_repository_is_not_taken(tmp_path):
    with pytest.raises(ConfigError, match="no file is called arc_challenge_test"):
        rows(
            tmp_path,
            "arc-challenge",
            "ai2_arc/ARC-Easy/test-00000-of-00001.jsonl",
            {**QUESTION, "choices": TEXTS},
        )
    with pytest.raises(ConfigError, match=r"no file is called gsm8k_test with"):
        find(BENCHMARKS["gsm8k"], tmp_path)


def test_all_subjects_of_mmlu_are_taken_and_not_those_of_one_beside_them(tmp_path):
    exam = {"subject": "law", "question": "?", "choices": ["a", "b"], "answer": 1}
    for subject in ("zoology", "all", "anatomy"):
        (tmp_path / "mmlu" / subject).mkdir(parents=True)
        (tmp_path / "mmlu" / subject / "test-00000-of-00001.jsonl").write_text(json.dumps(exam))
    assert find(BENCHMARKS["mmlu"], tmp_path).files["test"].parent.name == "all"
