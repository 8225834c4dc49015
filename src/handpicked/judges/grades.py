"""Tables of scores: one row for a question, model and judge, with a grade for each answer.

MT-Bench's single grades (FastChat), reviews by skill (FLASK: a score for each), and plain tables of
question, model and score.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from handpicked.errors import PoolError
from handpicked.judges.outcome import mirrored, strict, summed
from handpicked.judges.parse import preference
from handpicked.judges.review_shapes import HIGHEST, LOWEST, Reviewed, judge_name, prompt_of
from handpicked.judges.rows import PROMPTS, Rows, first_text, number
from handpicked.judges.shown import answers_shown
from handpicked.records import Message, Pair, Review, Verdict, messages_id

KNOWN = (
    "tables of scores (model, score and question_id or a prompt; MT-Bench's "
    "single grades and WildBench's scores are of this kind, and "
    "FLASK's reviews, whose file's name is the model)"
)
MODELS = ("model", "model_id", "model_name", "model_test", "generator")
SCORES = ("score", "rating", "grade")
QUESTIONS = ("question_id", "prompt_id", "uid", "session_id", "idx", "id")
ANSWERS = ("target_txt", "response", "output", "model_output", "completion", "answer")
"""Fields of the graded text; in FLASK it is ``target_txt``, and ``answer`` is the reference."""
FAILED = -1.0
"""What FastChat stores for a reply without a grade."""


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """What was graded: a prompt, in a turn, by a skill (both may be empty)."""

    prompt_id: str
    turn: str = ""
    skill: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """A model's grade; ``None`` where there is none. Prompt and answer are texts where the table holds them."""

    value: float | None
    prompt: str | None = None
    answer: str | None = None
    category: str | None = None


Grades = Mapping[str, Mapping[str, Mapping[Item, Grade]]]
"""By judge, then by model."""


def is_table(part: Rows) -> bool:
    """Whether a file holds grades of single answers."""
    prompt_fields = {*QUESTIONS, *PROMPTS} & part.fields
    scores = [row[name] for name in SCORES for row in part.rows[:100] if row.get(name) is not None]
    by_skill = bool(scores) and all(isinstance(score, dict) for score in scores)
    single = bool({*MODELS} & part.fields) and any(number(score) is not None for score in scores)
    return bool(prompt_fields) and (by_skill or single)


def table_name(part: Rows) -> str:
    """What to call the kind of table."""
    return "MT-Bench single grades" if _of_mt_bench(part) else "a table of scores"


def _of_mt_bench(part: Rows) -> bool:
    return {"question_id", "model", "score"} <= part.fields and bool({"turn", "judgment"} & part.fields)


def read_grades(parts: Sequence[Rows]) -> tuple[Grades, list[str]]:
    """The grades of all files, and in words what was left out. The last valid grade of an answer counts."""
    valid = _range(parts)
    found: dict[str, dict[str, dict[Item, Grade]]] = {}
    again = 0
    for part in parts:
        for place, row in enumerate(part.rows, 1):
            judge, model = (
                judge_name(row),
                str(next((row[m] for m in MODELS if row.get(m)), part.stem.removesuffix("_review"))),
            )
            grades = found.setdefault(judge, {}).setdefault(model, {})
            for skill, value in _scores(row):
                item = _item(row, part, place, skill)
                score = number(value)
                kept = score if score is not None and valid[0] <= score <= valid[1] else None
                again += item in grades
                if kept is not None or item not in grades or grades[item].value is None:
                    grades[item] = _grade(row, kept)
    notes = [f"{again} answers were graded again: the last valid grade counts"] if again else []
    return found, notes


def _grade(row: Mapping[str, object], value: float | None) -> Grade:
    prompt = prompt_of(row) if first_text(row, *PROMPTS) else None
    shown = answers_shown(str(row.get("user_prompt") or ""))
    known = (text for name in ANSWERS if isinstance(text := row.get(name), str))
    answer = next(known, shown[0] if len(shown) == 1 else None)
    return Grade(value, prompt, answer, first_text(row, "category"))


def _range(parts: Sequence[Rows]) -> tuple[float, float]:
    """The scores that are valid: 0 to 10 in MT-Bench; else every number, but for FastChat's -1
    where no other is negative.
    """
    if all(_of_mt_bench(part) for part in parts):
        return LOWEST, HIGHEST
    scores = [number(value) for part in parts for row in part.rows for _, value in _scores(row)]
    negative = {score for score in scores if score is not None and score < 0}
    return (0.0 if negative == {FAILED} else float("-inf")), float("inf")


def _scores(row: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The score of a row; those of each skill where there are several."""
    value = next((row[name] for name in SCORES if row.get(name) is not None), None)
    if isinstance(value, Mapping):
        skills = [(str(skill), score) for skill, score in value.items() if number(score) is not None]
        yield from skills or [("", None)]
    else:
        yield "", value


def _item(row: Mapping[str, object], part: Rows, place: int, skill: str) -> Item:
    turn = "" if row.get("turn") is None else str(row["turn"])
    question = next((row[name] for name in QUESTIONS if row.get(name) is not None), None)
    if question is not None:
        return Item(f"question {question}", turn, skill)
    if first_text(row, *PROMPTS) is None:
        raise PoolError(
            f"{part.file}, row {place}: it has neither {', '.join(QUESTIONS)} nor a prompt, so what was graded is unknown."
        )
    return Item(messages_id((Message("user", prompt_of(row)),)), turn, skill)


def graded_verdicts(grades: Grades, models: Sequence[str], only_first: bool) -> list[Reviewed]:
    """Every two of the models (or the first with each other one) on the items that both were
    graded on, by each judge.
    """
    verdicts = []
    for judge, table in grades.items():
        there = [model for model in models if model in table]
        met = combinations(there, 2) if not only_first else ((there[0], other) for other in there[1:])
        for a, b in met:
            shared = [item for item in table[a] if item in table[b]]
            verdicts += [_compared(judge, item, (a, b), (table[a][item], table[b][item])) for item in shared]
    return verdicts


def _compared(judge: str, item: Item, arms: tuple[str, str], grades: tuple[Grade, Grade]) -> Reviewed:
    a, b = grades
    raw = json.dumps([a.value, b.value])
    if a.value is None or b.value is None:
        review = Review("ab", None, raw, reason="a grade is missing")
    else:
        review = Review("ab", preference(a.value, b.value), raw, (a.value, b.value))
    both = (review, mirrored(review, "ba"))
    test_set = f"mt-bench turn {item.turn}" if item.turn else ""
    category = item.skill or a.category or b.category
    lengths = (0, 0) if a.answer is None or b.answer is None else (len(a.answer), len(b.answer))
    verdict = Verdict(
        item.prompt_id, *arms, judge, both, strict(both), summed(both), test_set, category, *lengths
    )
    if a.answer is None or b.answer is None or a.prompt is None:
        return Reviewed(verdict)
    return Reviewed(verdict, Pair(item.prompt_id, a.prompt, *arms, a.answer, b.answer, test_set, category))
