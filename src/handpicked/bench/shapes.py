"""Converts rows of local files to the fields that lm-eval's definitions read.

Each function takes one row and gives the same row as the hub has it. It raises KeyError for a field that is
missing and ValueError, with a sentence, for one that holds something else; ``local`` says in which file and
row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from handpicked.data.formats.cells import literal

Row = Mapping[str, Any]
LETTERS = "ABCDEFGHIJ"


def arc(row: Row) -> dict[str, Any]:
    """``question``, ``choices`` {text, label} and ``answerKey``; choices may be a list of texts, then lettered
    from A, or of objects; ARC's own release has them in ``question``, beside its ``stem``.

    A key that is no label is a place: 1 to 4, or A to D.
    """
    question = row["question"]
    if isinstance(question, Mapping):
        row = {**row, "question": question["stem"], "choices": question["choices"]}
    texts, labels = _choices(_literal(row["choices"]))
    key = str(row["answerKey"]).strip()
    if key not in labels:
        place = int(key) - 1 if key.isdecimal() else LETTERS.find(key.upper()) if len(key) == 1 else -1
        if not 0 <= place < len(labels):
            raise ValueError(f"'answerKey' is {row['answerKey']!r}, which is none of {', '.join(labels)}")
        key = labels[place]
    return {
        "question": _text(row, "question"),
        "choices": {"text": texts, "label": labels},
        "answerKey": key,
    }


def _choices(choices: object) -> tuple[list[str], list[str]]:
    """The texts of choices and their labels."""
    if isinstance(choices, list) and choices and all(isinstance(one, Mapping) for one in choices):
        choices = {name: [one[name] for one in choices] for name in ("text", "label")}
    if isinstance(choices, list):
        choices = {"text": choices, "label": list(LETTERS[: len(choices)])}
    if not isinstance(choices, Mapping) or not {"text", "label"} <= set(choices):
        raise ValueError("'choices' must be a list of texts, or 'text' and 'label'")
    texts, labels = list(choices["text"]), [str(label) for label in choices["label"]]
    if len(texts) != len(labels) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'choices' must have a text for every label")
    return texts, labels


def hellaswag(row: Row) -> dict[str, Any]:
    """``activity_label``, ``ctx_a``, ``ctx_b`` (which may be empty), ``endings`` and ``label``."""
    found = {name: _text(row, name) for name in ("activity_label", "ctx_a")}
    found["ctx_b"] = "" if row["ctx_b"] is None else _text(row, "ctx_b")
    endings, label = _texts(row, "endings"), _place(row["label"])
    if label is None or not 0 <= label < len(endings):
        raise ValueError(f"'label' is {row['label']!r}; it must be the place of an ending, counted from 0")
    return {**found, "endings": endings, "label": str(label)}


def mmlu(row: Row) -> dict[str, Any]:
    """``subject``, ``question``, ``choices`` and ``answer`` (0 to 3); or A, B, C, D and a letter."""
    choices = _texts(row, "choices") if "choices" in row else [_text(row, letter) for letter in "ABCD"]
    answer = row["answer"]
    place = _place(answer)
    if place is None and isinstance(answer, str) and len(answer.strip()) == 1:
        place = LETTERS.find(answer.strip().upper())
    if place is None or not 0 <= place < len(choices):
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
    ``mc1_labels`` and so on; TruthfulQA's own release has the label of each choice by its text.
    """
    found: dict[str, Any] = {"question": _text(row, "question")}
    for kind in ("mc1", "mc2"):
        targets = _literal(row.get(f"{kind}_targets")) or {
            "choices": row[f"{kind}_choices"],
            "labels": row[f"{kind}_labels"],
        }
        if not isinstance(targets, Mapping):
            raise ValueError(f"'{kind}_targets' must hold choices and labels")
        if "choices" not in targets:
            targets = {"choices": list(targets), "labels": list(targets.values())}
        if len(targets["choices"]) != len(targets["labels"]) or 1 not in targets["labels"]:
            raise ValueError(f"'{kind}' needs a label for every choice, and one of them must be 1")
        found[f"{kind}_targets"] = {"choices": list(targets["choices"]), "labels": list(targets["labels"])}
    return found


def winogrande(row: Row) -> dict[str, Any]:
    """``sentence`` with one ``_``, ``option1``, ``option2`` and ``answer`` (1 or 2)."""
    found = {name: _text(row, name) for name in ("sentence", "option1", "option2")}
    if "_" not in found["sentence"]:
        raise ValueError("'sentence' has no '_' to fill in")
    answer = _place(row["answer"])
    if answer not in (1, 2):
        raise ValueError(f"'answer' is {row['answer']!r}; it must be 1 or 2")
    return {**found, "answer": str(answer)}


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
    if (
        not isinstance(kwargs, list)
        or len(kwargs) != len(names)
        or not all(isinstance(one, Mapping) for one in kwargs)
    ):
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
    value = _literal(row[name])
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ValueError(f"'{name}' must be a list of texts")
    return list(value)


def _literal(value: object) -> object:
    """The list or object that a cell of a CSV file holds as text; any other value as it is."""
    found = literal(value) if isinstance(value, str) else None
    return value if found is None else found


def _place(value: object) -> int | None:
    """A whole number, also as text or as a float; ``None`` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
