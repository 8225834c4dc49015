"""Pairs that people have judged: what a judge is calibrated against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handpicked.errors import PoolError
from handpicked.judge.rows import Rows, fields_seen, rows_of
from handpicked.records import Message, Outcome, Pair, messages_id

BY_NUMBER: dict[str, Outcome] = {"0": "tie", "1": "win", "2": "lose"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pairs and, in the same order, people's labels told from the side of ``a`` (the first answer).

    A pair whose annotators have no majority is a tie. ``without`` counts rows without a usable label.
    """

    format: str
    pairs: tuple[Pair, ...]
    labels: tuple[Outcome, ...]
    without: int


def read_labelled(path: Path) -> Labelled:
    """LLMBar, FairEval, PandaLM or Auto-J pairs from JSON, JSON lines or Parquet, or a folder of such files.

    Raises PoolError when the format is not recognised, with the fields seen.
    """
    pairs: list[Pair] = []
    labels: list[Outcome] = []
    without = 0
    names = []
    for part in rows_of(path):
        name, read = _recognised(part)
        names.append(name)
        for row in part.rows:
            pair, label = read(row)
            if label is None:
                without += 1
            else:
                pairs.append(pair)
                labels.append(label)
    return Labelled(", ".join(dict.fromkeys(names)), tuple(pairs), tuple(labels), without)


Reader = Callable[[Mapping[str, Any]], "tuple[Pair, Outcome | None]"]


def _recognised(part: Rows) -> tuple[str, Reader]:
    fields = set(part.rows[0])
    for needed, name, read in FORMATS:
        if needed <= fields:
            return name, read
    if {"instruction", "response1", "response2"} <= fields and _annotators(part.rows[0]):
        return "PandaLM", _pandalm
    raise PoolError(
        f"{part.file} holds no labelled pairs that handpicked knows. Fields seen: {fields_seen(part.rows)}. Known are "
        + "; ".join(f"{name} ({', '.join(sorted(needed))})" for needed, name, _ in FORMATS)
        + "; PandaLM (instruction, response1, response2, annotator1, ...)."
    )


def _pair(prompt: object, first: object, second: object, group: object) -> Pair:
    text = str(prompt)
    key = messages_id((Message("user", text),))
    return Pair(key, text, "first", "second", str(first), str(second), str(group or ""))


def _llmbar(row: Mapping[str, Any]) -> tuple[Pair, Outcome | None]:
    pair = _pair(row["input"], row["output_1"], row["output_2"], row.get("subset"))
    return pair, BY_NUMBER.get(str(row["label"]))


def _faireval(row: Mapping[str, Any]) -> tuple[Pair, Outcome | None]:
    """ChatGPT's answer first, Vicuna-13B's second, as people labelled them."""
    pair = _pair(row["text"], row["answer_gpt35"], row["answer_vicuna_13b"], row.get("category"))
    names: dict[str, Outcome] = {"CHATGPT": "win", "VICUNA13B": "lose", "TIE": "tie"}
    return pair, names.get(str(row["human_gpt35_vs_vicuna13b"]).upper())


def _autoj(row: Mapping[str, Any]) -> tuple[Pair, Outcome | None]:
    pair = _pair(row["prompt"], row["response 1"], row["response 2"], row.get("scenario"))
    names: dict[str, Outcome] = {"0": "win", "1": "lose", "2": "tie"}
    return pair, names.get(str(row["label"]))


def _pandalm(row: Mapping[str, Any]) -> tuple[Pair, Outcome | None]:
    """Three annotators: 0 tie, 1 first, 2 second; the majority counts."""
    extra = row.get("input")
    prompt = f"{row['instruction']}\n\n{extra}" if extra else row["instruction"]
    pair = _pair(prompt, row["response1"], row["response2"], row.get("motivation_app"))
    votes = Counter(label for vote in _annotators(row) if (label := BY_NUMBER.get(str(vote))) is not None)
    if not votes:
        return pair, None
    (label, most), *others = votes.most_common()
    return pair, "tie" if others and others[0][1] == most else label


def _annotators(row: Mapping[str, Any]) -> list[object]:
    return [value for name, value in row.items() if str(name).startswith("annotator")]


FORMATS: tuple[tuple[set[str], str, Reader], ...] = (
    ({"input", "output_1", "output_2", "label"}, "LLMBar", _llmbar),
    ({"text", "answer_gpt35", "answer_vicuna_13b", "human_gpt35_vs_vicuna13b"}, "FairEval", _faireval),
    ({"prompt", "response 1", "response 2", "label"}, "Auto-J", _autoj),
)
