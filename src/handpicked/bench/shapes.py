"""Converts rows of local files to the fields that lm-eval's definitions read.

Each function takes one row and gives the same row as the hub has it. It raises KeyError for a field that is
missing and ValueError, with a sentence, for one that holds something else; ``local`` says in which file and
row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]
LETTERS = "ABCDEFGHIJ"


def arc(row: Row) -> dict[str, Any]:
    """``question``, ``choices`` {text, label} and ``answerKey``; choices may be a plain
    list, then lettered from A.
    """
    choices = row["choices"]
    if isinstance(choices, list):
        choices = {"text": choices, "label": list(LETTERS[: len(choices)])}
    if not isinstance(choices, Mapping) or not {"text", "label"} <= set(choices):
        raise ValueError("'choices' must be a list of texts, or 'text' and 'label'")
    if row["answerKey"] not in choices["label"]:
        raise ValueError(
            f"'answerKey' is {row['answerKey']!r}, which is none of {', '.join(choices['label'])}"
        )
    return {"question": _text(row, "question"), "choices": choices, "answerKey": row["answerKey"]}


def hellaswag(row: Row) -> dict[str, Any]:
    """``activity_label``, ``ctx_a``, ``ctx_b``, ``endings`` and ``label``."""
    found = {name: _text(row, name) for name in ("activity_label", "ctx_a", "ctx_b")}
    endings, label = _texts(row, "endings"), str(row["label"])
    if not (label.isdigit() and int(label) < len(endings)):
        raise ValueError(f"'label' is {row['label']!r}; it must be the place of an ending, counted from 0")
    return {**found, "endings": endings, "label": label}


def mmlu(row: Row) -> dict[str, Any]:
    """``subject``, ``question``, ``choices`` and ``answer`` (0 to 3); or A, B, C, D and a letter."""
    choices = _texts(row, "choices") if "choices" in row else [_text(row, letter) for letter in "ABCD"]
    answer = row["answer"]
    place = LETTERS.find(answer) if isinstance(answer, str) and len(answer) == 1 else answer
    if not isinstance(place, int) or not 0 <= place < len(choices):
        raise ValueError(
            f"'answer' is {answer!r}; it must be a letter or a place among the {len(choices)} choices"
        )
    return {
        "subject": _text(row, "subject"),
        "question": _text(row, "question"),
        "choices": choices,
        "answer": place,
    }


def truthfulqa(row: Row) -> dict[str, Any]:
    """``question``, ``mc1_targets`` and ``mc2_targets`` {choices, labels}; or ``mc1_choices``,
    ``mc1_labels`` and so on.
    """
    found: dict[str, Any] = {"question": _text(row, "question")}
    for kind in ("mc1", "mc2"):
        targets = row.get(f"{kind}_targets") or {
            "choices": row[f"{kind}_choices"],
            "labels": row[f"{kind}_labels"],
        }
        if len(targets["choices"]) != len(targets["labels"]) or 1 not in targets["labels"]:
            raise ValueError(f"'{kind}' needs a label for every choice, and one of them must be 1")
        found[f"{kind}_targets"] = {"choices": list(targets["choices"]), "labels": list(targets["labels"])}
    return found


def winogrande(row: Row) -> dict[str, Any]:
    """``sentence`` with one ``_``, ``option1``, ``option2`` and ``answer`` (1 or 2)."""
    found = {name: _text(row, name) for name in ("sentence", "option1", "option2")}
    if "_" not in found["sentence"]:
        raise ValueError("'sentence' has no '_' to fill in")
    if str(row["answer"]) not in ("1", "2"):
        raise ValueError(f"'answer' is {row['answer']!r}; it must be 1 or 2")
    return {**found, "answer": str(row["answer"])}


def gsm8k(row: Row) -> dict[str, Any]:
    """``question`` and ``answer``, which ends in ``#### NUMBER``."""
    answer = _text(row, "answer")
    if "####" not in answer:
        raise ValueError("'answer' does not end in '#### NUMBER'")
    return {"question": _text(row, "question"), "answer": answer}


def bbh(row: Row) -> dict[str, Any]:
    """``task``, ``input`` and ``target``."""
    return {name: _text(row, name) for name in ("task", "input", "target")}


def ifeval(row: Row) -> dict[str, Any]:
    """``key``, ``prompt``, ``instruction_id_list`` and ``kwargs``, one set for each instruction
    (or all of them as JSON).
    """
    kwargs = row["kwargs"]
    try:
        kwargs = json.loads(kwargs) if isinstance(kwargs, str) else kwargs
    except ValueError as error:
        raise ValueError(f"'kwargs' is not JSON: {error}") from error
    names = _texts(row, "instruction_id_list")
    if not isinstance(kwargs, list) or len(kwargs) != len(names):
        raise ValueError("'kwargs' must hold one set of arguments for each of 'instruction_id_list'")
    return {"key": row["key"], "prompt": _text(row, "prompt"), "instruction_id_list": names, "kwargs": kwargs}


def longform(row: Row) -> dict[str, Any]:
    """``input`` and ``output``."""
    return {"input": _text(row, "input"), "output": _text(row, "output")}


def eli5(row: Row) -> dict[str, Any] | None:
    """``input`` and ``output`` [{answer}]; or ``question`` and ``answer_paragraph``, where
    answers of models are left out.
    """
    if "output" in row:
        answers = [entry["answer"] for entry in row["output"] if entry.get("answer")]
        question = _text(row, "input")
    else:
        question, answers = _text(row, "question"), [_text(row, "answer_paragraph")]
        if row.get("dataset", "ELI5") != "ELI5":
            return None
    return {"input": question, "output": [{"answer": answer} for answer in answers]} if answers else None


SHAPES: Mapping[str, Callable[[Row], dict[str, Any] | None]] = {
    "arc-challenge": arc,
    "hellaswag": hellaswag,
    "mmlu": mmlu,
    "truthfulqa-mc2": truthfulqa,
    "winogrande": winogrande,
    "gsm8k": gsm8k,
    "bbh": bbh,
    "ifeval": ifeval,
    "longform": longform,
    "eli5": eli5,
}
"""By benchmark. ``None`` from one of them: a row that is none of the benchmark's."""


def _text(row: Row, name: str) -> str:
    if not isinstance(row[name], str):
        raise ValueError(f"'{name}' holds {type(row[name]).__name__}, not text")
    return str(row[name])


def _texts(row: Row, name: str) -> list[str]:
    if not isinstance(row[name], list) or not all(isinstance(part, str) for part in row[name]):
        raise ValueError(f"'{name}' must be a list of texts")
    return list(row[name])
