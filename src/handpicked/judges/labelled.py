"""Pairs with people's labels, and a judge's verdicts where the same file holds them: for calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handpicked.data.formats.cells import kind_name
from handpicked.errors import PoolError
from handpicked.judges.review_shapes import reason_of
from handpicked.judges.rows import Rows, fields_seen, number, rows_of, with_input
from handpicked.judges.verdict_columns import Reviews, stored_reviews
from handpicked.records import Message, Outcome, Pair, messages_id

BY_NUMBER: dict[str, Outcome] = {"0": "tie", "1": "win", "2": "lose"}


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pairs and, in the same order, people's labels from the side of ``a`` (the first answer).

    A pair whose annotators have no majority is a tie. ``without`` counts rows without a usable label.
    ``judged`` holds, by judge, the reviews that the file stores of each pair, in the same order (none where
    it stores none).
    """

    format: str
    pairs: tuple[Pair, ...]
    labels: tuple[Outcome, ...]
    without: int
    judged: Mapping[str, tuple[Reviews, ...]] = field(default_factory=dict)


def read_labelled(path: Path, verdicts: Path | None = None) -> Labelled:
    """Pairs of the user's own or of LLMBar, FairEval, PandaLM, Auto-J, LFQA, JudgeBench or RewardBench, from JSON, JSON lines, CSV
    or Parquet, or a folder of such files. ``verdicts`` is a file of a judge's verdicts on them, joined by
    ``idx`` (PandaLM's results).

    Raises PoolError when the format is not recognised, with the fields seen, or where
    the two files do not join.
    """
    parts = rows_of(path)
    if verdicts is not None:
        parts = [_joined(part, rows_of(verdicts)) for part in parts]
    rows: list[tuple[Pair, Outcome, Mapping[str, Reviews]]] = []
    without = 0
    names = []
    for part in parts:
        name, read = _recognised(part)
        names.append(name)
        for at, row in enumerate(part.rows, 1):
            try:
                pair, label = read(row)
                reviews = stored_reviews(row, part)
            except (KeyError, TypeError, ValueError) as error:
                place = f"{part.file}, row {at} is not a labelled pair of {name}"
                raise PoolError(f"{place}: {reason_of(error)}.") from error
            if label is None:
                without += 1
            else:
                rows.append((pair, label, reviews))
    judges = dict.fromkeys(judge for _, _, reviews in rows for judge in reviews)
    judged = {judge: tuple(reviews.get(judge, ()) for _, _, reviews in rows) for judge in judges}
    return Labelled(
        ", ".join(dict.fromkeys(names)),
        tuple(pair for pair, _, _ in rows),
        tuple(label for _, label, _ in rows),
        without,
        judged,
    )


def _joined(part: Rows, others: Sequence[Rows]) -> Rows:
    """The rows, extended by the fields of the other files' rows with the same ``idx``."""
    by_idx = {row["idx"]: row for other in others for row in other.rows if "idx" in row}
    known = [row for row in part.rows if row.get("idx") in by_idx]
    if not known:
        raise PoolError(
            f"{part.file} and {others[0].file} have no 'idx' in common, which joins "
            "verdicts and labels. "
            f"Fields seen: {fields_seen(part.rows)}; {fields_seen(others[0].rows)}."
        )
    return Rows(part.file, [{**by_idx.get(row.get("idx"), {}), **row} for row in part.rows], part.about)


Reader = Callable[[Mapping[str, object]], "tuple[Pair, Outcome | None]"]


def _recognised(part: Rows) -> tuple[str, Reader]:
    for needed, name, read in FORMATS:
        if needed <= part.fields:
            return name, read
    if {"instruction", "response1", "response2"} <= part.fields and _annotators(part.rows[0]):
        return "PandaLM", _pandalm
    raise PoolError(
        f"{part.file} holds no labelled pairs that handpicked knows. Fields seen: "
        f"{fields_seen(part.rows)}. Known formats: "
        + "; ".join(f"{name} ({', '.join(sorted(needed))})" for needed, name, _ in FORMATS)
        + "; PandaLM (instruction, response1, response2, annotator1, ...)."
    )


def _pair(prompt: object, first: object, second: object, group: object) -> Pair:
    text = str(prompt)
    key = messages_id((Message("user", text),))
    return Pair(key, text, "first", "second", _text(first), _text(second), str(group or ""))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _llmbar(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    pair = _pair(row["input"], row["output_1"], row["output_2"], row.get("subset"))
    return pair, BY_NUMBER.get(_whole(row["label"]))


def _whole(value: object) -> str:
    """A label as text; pandas makes numbers with gaps floats (1.0)."""
    found = number(value)
    return str(value) if found is None else f"{found:g}"


def _faireval(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """ChatGPT's answer first, Vicuna-13B's second, as people labelled them."""
    pair = _pair(row["text"], row["answer_gpt35"], row["answer_vicuna_13b"], row.get("category"))
    names: dict[str, Outcome] = {"CHATGPT": "win", "VICUNA13B": "lose", "TIE": "tie"}
    return pair, names.get(str(row["human_gpt35_vs_vicuna13b"]).upper())


def _autoj(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    pair = _pair(row["prompt"], row["response 1"], row["response 2"], row.get("scenario"))
    names: dict[str, Outcome] = {"0": "win", "1": "lose", "2": "tie"}
    return pair, names.get(_whole(row["label"]))


def _lfqa(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """Experts' preferences (Xu et al., 2023): -1 for ``answer_a``, 1 for ``answer_b``, 0 for a tie."""
    pair = _pair(row["question"], row["answer_a"], row["answer_b"], row.get("dataset"))
    names: dict[str, Outcome] = {"-1": "win", "0": "tie", "1": "lose"}
    return pair, names.get(_whole(row["overall_preference"]))


def _lfqa_raw(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """One expert's annotation as LFQA keeps it: answer A is ``answer1``."""
    pair = _pair(row["question_text"], row["answer1"], row["answer2"], "")
    names: dict[str, Outcome] = {"answer a": "win", "answer b": "lose"}
    return pair, names.get(str(row["BetterAnswer"]).strip().rstrip(".").lower())


def _pandalm(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """Three annotators: 0 tie, 1 first, 2 second; the majority counts."""
    prompt = with_input(str(row["instruction"]), row)
    pair = _pair(prompt, row["response1"], row["response2"], row.get("motivation_app"))
    votes = Counter(label for vote in _annotators(row) if (label := BY_NUMBER.get(_whole(vote))) is not None)
    if not votes:
        return pair, None
    (label, most), *others = votes.most_common()
    return pair, "tie" if others and others[0][1] == most else label


def _annotators(row: Mapping[str, object]) -> list[object]:
    return [value for name, value in row.items() if str(name).startswith("annotator")]


def _chosen(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """A prompt with the better and the worse answer (RewardBench and other preferences): the first is better."""
    pair = _pair(
        said_last(row["prompt"], "prompt"),
        said_last(row["chosen"], "chosen"),
        said_last(row["rejected"], "rejected"),
        row.get("subset") or row.get("category"),
    )
    return pair, "win"


def said_last(value: object, field: str) -> str:
    """A text, or what the last of some turns says."""
    turns = value if isinstance(value, list) and value else [value]
    last = (
        turns[-1].get("content") if isinstance(turns[-1], Mapping) else turns[-1] if len(turns) == 1 else None
    )
    if not isinstance(last, str):
        raise ValueError(f"'{field}' is {kind_name(value)} and holds no text or turns")
    return last


def _judge_bench(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """JudgeBench (Tan et al., 2024): the label says which of two responses is right."""
    pair = _pair(row["question"], row["response_A"], row["response_B"], row.get("source"))
    names: dict[str, Outcome] = {"A>B": "win", "B>A": "lose"}
    return pair, names.get(str(row["label"]))


def _plain(row: Mapping[str, object]) -> tuple[Pair, Outcome | None]:
    """A pair of the user's own: ``preferred`` is a, b or tie."""
    pair = _pair(row["prompt"], row["answer_a"], row["answer_b"], row.get("category"))
    names: dict[str, Outcome] = {"a": "win", "b": "lose", "tie": "tie"}
    return pair, names.get(str(row["preferred"]).strip().lower())


FORMATS: tuple[tuple[set[str], str, Reader], ...] = (
    ({"prompt", "answer_a", "answer_b", "preferred"}, "pairs", _plain),
    ({"input", "output_1", "output_2", "label"}, "LLMBar", _llmbar),
    ({"text", "answer_gpt35", "answer_vicuna_13b", "human_gpt35_vs_vicuna13b"}, "FairEval", _faireval),
    ({"prompt", "response 1", "response 2", "label"}, "Auto-J", _autoj),
    ({"question", "answer_a", "answer_b", "overall_preference"}, "LFQA", _lfqa),
    ({"question_text", "answer1", "answer2", "BetterAnswer"}, "LFQA annotations", _lfqa_raw),
    ({"question", "response_A", "response_B", "label"}, "JudgeBench", _judge_bench),
    ({"prompt", "chosen", "rejected"}, "RewardBench", _chosen),
)
