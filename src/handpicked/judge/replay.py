"""Stored reviews as verdicts: everything that can be known of them, with no call.

Recognised by their fields: reviews in both orders as Cherry LLM keeps them, AlpacaEval annotations, MT-Bench
judgements (pairs, single grades, people's votes), and our own verdicts.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from handpicked.errors import PoolError
from handpicked.judge.outcome import mirrored, strict, summed, swapped
from handpicked.judge.parse import preference, read_scores
from handpicked.judge.rows import Rows, fields_seen, first_text, rows_of
from handpicked.judge.stored import verdict_of
from handpicked.records import Message, Pair, Preference, Review, Verdict, messages_id

log = logging.getLogger(__name__)
Order = Literal["ab", "ba", "unknown"]
LOWEST, HIGHEST = 0.0, 10.0


@dataclass(frozen=True, slots=True)
class Replay:
    """What a file of reviews holds. ``grades`` are single-answer grades: model, then ``question/turn``, then
    the grade. ``pairs`` are the answers that were judged, where the file holds them.
    """

    format: str
    verdicts: list[Verdict]
    grades: Mapping[str, Mapping[str, float | None]]
    pairs: tuple[Pair, ...] = ()


def replay(path: Path) -> Replay:
    """The reviews of a file, or of all files in a folder (of one format).

    Raises PoolError when the format is not recognised, with the fields seen.
    """
    parts = rows_of(path)
    formats = {_format(part) for part in parts}
    if len(formats) > 1:
        raise PoolError(
            f"{path} mixes reviews of several formats ({', '.join(sorted(formats))}); replay them apart."
        )
    name = formats.pop()
    if name == "MT-Bench single grades":
        grades = _grades([row for part in parts for row in part.rows])
        return Replay(name, _graded_verdicts(grades, _judge_name(parts[0].rows[0])), grades)
    reader, texts = READERS[name], TEXTS.get(name)
    verdicts, pairs = [], []
    for part in parts:
        for number, row in enumerate(part.rows, 1):
            try:
                verdicts.append(reader(row, part))
                if texts is not None:
                    pairs.append(_pair(verdicts[-1], *texts(row)))
            except (KeyError, TypeError, ValueError) as error:
                raise PoolError(
                    f"{part.file}, row {number} is no review of the kind '{name}': {error!r}."
                ) from error
    return Replay(name, verdicts, {}, tuple(pairs))


def _format(part: Rows) -> str:
    fields = set(part.rows[0])
    for name, needed in SIGNS.items():
        if needed <= fields:
            return name
    raise PoolError(
        f"{part.file} holds no reviews that handpicked knows. Fields seen: {fields_seen(part.rows)}. Known are "
        + "; ".join(f"{name} ({', '.join(sorted(needed))})" for name, needed in SIGNS.items())
        + "."
    )


def _verdict(
    prompt_id: str,
    arms: tuple[str, str],
    judge: str,
    reviews: Sequence[Review],
    answers: tuple[str, str] = ("", ""),
    test_set: str = "",
    category: str | None = None,
) -> Verdict:
    return Verdict(
        prompt_id,
        *arms,
        judge,
        tuple(reviews),
        strict(reviews),
        summed(reviews),
        test_set,
        category,
        len(answers[0]),
        len(answers[1]),
    )


def _pair(verdict: Verdict, prompt: str, a: str, b: str) -> Pair:
    """What a verdict is about."""
    return Pair(verdict.prompt_id, prompt, verdict.a, verdict.b, a, b, verdict.test_set, verdict.category)


def _prompt_id(text: str) -> str:
    return messages_id((Message("user", text),))


def _own(row: Mapping[str, Any], _: Rows) -> Verdict:
    return verdict_of(row)


def _cherry(row: Mapping[str, Any], part: Rows) -> Verdict:
    prompt, *answers = _cherry_texts(row)
    reviews = [
        _scored("ab", row.get("review"), row.get("scores")),
        _scored("ba", row.get("review_reverse"), row.get("scores_reverse")),
    ]
    return _verdict(
        _prompt_id(prompt),
        (str(part.about.get("fname1", "Answer1")), str(part.about.get("fname2", "Answer2"))),
        str(row.get("judge") or _judge_in(part.file)),
        reviews,
        (answers[0], answers[1]),
        str(row.get("test_set") or part.about.get("dataset_name") or part.file.stem),
    )


def _cherry_texts(row: Mapping[str, Any]) -> tuple[str, str, str]:
    prompt = first_text(row, "text", "prompt", "Instruction", "instruction", "conversations", "question")
    return prompt or "", str(row["Answer1"]), str(row["Answer2"])


def _scored(order: Order, raw: object, stored: object) -> Review:
    """Stored scores count as they are (a scale of 0 to 10 is accepted); without them the text is read."""
    text = "" if raw is None else str(raw)
    if stored is None:
        reading = read_scores(text, LOWEST, HIGHEST)
        return Review(order, reading.preferred, text, reading.scores, reading.reason)
    scores = json.loads(stored) if isinstance(stored, str) else stored
    if not isinstance(scores, (list, tuple)) or len(scores) != 2:
        return Review(order, None, text, reason=f"the stored scores are not two: {stored}")
    first, second = float(scores[0]), float(scores[1])
    if not all(LOWEST <= score <= HIGHEST for score in (first, second)):
        return Review(
            order, None, text, reason=f"the stored scores are outside 0 to 10: {first:g} and {second:g}"
        )
    return Review(order, preference(first, second), text, (first, second))


def _alpaca_eval(row: Mapping[str, Any], part: Rows) -> Verdict:
    """``a`` is the model (``output_2``), ``b`` the baseline. Preferences are 1 (baseline) to 2 (model); 0 is
    a draw.

    AlpacaEval shows each pair once, in an order that it does not store.
    """
    value = row["preference"]
    stored = None if value is None else float(value)
    raw = row.get("raw_completion")
    text = raw if isinstance(raw, str) else json.dumps(value)
    if stored is None or math.isnan(stored) or not (stored == 0 or 1 <= stored <= 2):
        review = Review("unknown", None, text, reason=f"no preference is stored (it is {value})")
    else:
        for_model = 0.5 if stored == 0 else stored - 1
        scores = (for_model, 1 - for_model)
        seconds, cost = row.get("time_per_example"), row.get("price_per_example")
        review = Review("unknown", preference(*scores), text, scores, None, seconds, cost)
    prompt, *answers = _alpaca_eval_texts(row)
    return _verdict(
        _prompt_id(prompt),
        (str(row.get("model_dir") or row["generator_2"]), str(row["generator_1"])),
        str(row.get("annotator") or "alpaca_eval"),
        [review],
        (answers[0], answers[1]),
        str(row.get("dataset") or part.file.stem),
    )


def _alpaca_eval_texts(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(row["instruction"]), str(row["output_2"]), str(row["output_1"])


def _mt_bench(row: Mapping[str, Any], _: Rows) -> Verdict:
    """FastChat stores the winner of each game by model; game 1 shows ``model_1`` first, game 2
    ``model_2``.
    """
    first = _winner(row["g1_winner"], "model_1", "model_2")
    second = swapped(_winner(row["g2_winner"], "model_1", "model_2"))
    reviews = [
        _game("ab", first, row.get("g1_judgment"), row["g1_winner"]),
        _game("ba", second, row.get("g2_judgment"), row["g2_winner"]),
    ]
    arms = (str(row["model_1"]), str(row["model_2"]))
    return _verdict(
        _question(row), arms, _judge_name(row), reviews, ("", ""), f"mt-bench turn {row.get('turn', 1)}"
    )


def _vote(row: Mapping[str, Any], _: Rows) -> Verdict:
    """One vote on a pair: MT-Bench's human judgements and the Chatbot Arena conversations."""
    preferred = _winner(row["winner"], "model_a", "model_b")
    review = _game("unknown", preferred, None, row["winner"])
    arms = (str(row["model_a"]), str(row["model_b"]))
    return _verdict(
        _question(row), arms, _judge_name(row), [review], ("", ""), f"mt-bench turn {row.get('turn', 1)}"
    )


def _winner(value: object, a: str, b: str) -> Preference | None:
    text = str(value).lower()
    if text.startswith("tie"):
        return "tie"
    known: dict[str, Preference] = {a: "first", b: "second"}
    return known.get(text)


def _game(order: Order, preferred: Preference | None, raw: object, winner: object) -> Review:
    text = str(winner) if raw is None else str(raw)
    return Review(order, preferred, text, reason=None if preferred else f"the stored winner is '{winner}'")


def _question(row: Mapping[str, Any]) -> str:
    return f"question {row['question_id']}"


def _judge_name(row: Mapping[str, Any]) -> str:
    judge = row.get("judge")
    return "/".join(map(str, judge)) if isinstance(judge, (list, tuple)) else str(judge or "unknown judge")


def _judge_in(file: Path) -> str:
    """Cherry's files end in ``_reviews_gpt3.5``."""
    return file.stem.rsplit("_reviews_", 1)[-1] if "_reviews_" in file.stem else "unknown judge"


def _grades(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    grades: dict[str, dict[str, float | None]] = {}
    for row in rows:
        value = row["score"]
        grade = float(value) if isinstance(value, (int, float)) and LOWEST <= value <= HIGHEST else None
        grades.setdefault(str(row["model"]), {})[f"{row['question_id']}/{row.get('turn', 1)}"] = grade
    return grades


def _graded_verdicts(grades: Mapping[str, Mapping[str, float | None]], judge: str) -> list[Verdict]:
    """Every two models on the questions that both were graded on."""
    verdicts = []
    for a, b in combinations(grades, 2):
        for key in grades[a]:
            if key in grades[b]:
                question, turn = key.rsplit("/", 1)
                review = _compared(grades[a][key], grades[b][key])
                both = [review, mirrored(review, "ba")]
                verdicts.append(
                    _verdict(f"question {question}", (a, b), judge, both, test_set=f"mt-bench turn {turn}")
                )
    return verdicts


def _compared(a: float | None, b: float | None) -> Review:
    raw = json.dumps([a, b])
    if a is None or b is None:
        return Review("ab", None, raw, reason="a grade is missing")
    return Review("ab", preference(a, b), raw, (a, b))


SIGNS: dict[str, set[str]] = {
    "handpicked verdicts": {"reviews", "strict", "summed"},
    "both-order reviews": {"Answer1", "Answer2", "review", "review_reverse"},
    "AlpacaEval annotations": {
        "instruction",
        "output_1",
        "output_2",
        "generator_1",
        "generator_2",
        "preference",
    },
    "MT-Bench pairs": {"question_id", "model_1", "model_2", "g1_winner", "g2_winner"},
    "MT-Bench single grades": {"question_id", "model", "score"},
    "votes": {"question_id", "model_a", "model_b", "winner"},
}
READERS: dict[str, Callable[[Mapping[str, Any], Rows], Verdict]] = {
    "handpicked verdicts": _own,
    "both-order reviews": _cherry,
    "AlpacaEval annotations": _alpaca_eval,
    "MT-Bench pairs": _mt_bench,
    "votes": _vote,
}
TEXTS: dict[str, Callable[[Mapping[str, Any]], tuple[str, str, str]]] = {
    "both-order reviews": _cherry_texts,
    "AlpacaEval annotations": _alpaca_eval_texts,
}
"""Prompt and both answers of a row, for the formats that hold them."""
