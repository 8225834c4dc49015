"""The questions of a benchmark whose answers name them by number only (MT-Bench, Arena-Hard)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from handpicked.data.spool import given_name
from handpicked.errors import PoolError
from handpicked.judges.rows import PROMPTS, first_text, rows_of, with_input

NUMBERS = ("question_id", "uid", "id")


def unknown_question(number: str) -> str:
    """What stands for the prompt of a question that is known by its number only."""
    return f"MT-Bench question {number}"


def read_questions(path: Path) -> dict[str, str]:
    """The text of each question by its number or id: its turns joined by blank lines, or its prompt.

    Raises PoolError for a file that holds none.
    """
    found = {}
    for part in rows_of(path):
        for row in part.rows:
            number = next((row[name] for name in NUMBERS if row.get(name) is not None), None)
            text = _text(row)
            if number is not None and text:
                found[str(number)] = text
    if not found:
        raise PoolError(
            f"{given_name(path)} holds no questions: a row needs {', '.join(NUMBERS[:-1])} or id, and turns or a prompt."
        )
    return found


def _text(row: Mapping[str, object]) -> str:
    turns = row.get("turns")
    if isinstance(turns, list):
        said = [turn.get("content") if isinstance(turn, Mapping) else turn for turn in turns]
        return "\n\n".join(text for text in said if isinstance(text, str))
    return with_input(first_text(row, *PROMPTS) or "", row)
